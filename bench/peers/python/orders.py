"""What both Python peers share: an order of XML as plain values, and its content hash."""

import hashlib
import json

from lxml import etree


def values(element: etree._Element) -> object:
    """An element as what it holds: its text, or its attributes and children by name, in lists where a name repeats."""
    if not len(element) and not element.attrib:
        return element.text or ""
    found: dict[str, object] = {f"@{name}": value for name, value in element.attrib.items()}
    if element.text and element.text.strip():
        found["text"] = element.text
    for child in element:
        value = values(child)
        if child.tag not in found:
            found[child.tag] = value
        elif isinstance(found[child.tag], list):
            found[child.tag].append(value)
        else:
            found[child.tag] = [found[child.tag], value]
    return found


def content_hash(order: dict) -> str:
    """The SHA-256 of an order's canonical JSON."""
    canonical = json.dumps(order, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
