"""The Python types and the published schemas, used as a Python consumer uses them."""

import dataclasses
import json
import sys
from pathlib import Path

import jsonschema

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "types/python"))

from tilaussilta_events import Event  # noqa: E402


def places(value):
    """Every object inside a value that has fields of the contract."""
    if isinstance(value, dict):
        yield value
        inside = [inner for name, inner in value.items() if name not in ("document", "attributes")]
    else:
        inside = value if isinstance(value, list) else []
    for inner in inside:
        yield from places(inner)


def with_more(value):
    """A copy with a field more in every object."""
    copy = json.loads(json.dumps(value))
    for place in list(places(copy)):
        place["added_later"] = {"any": "thing"}
    return copy


def without_nothing(value):
    """A value as JSON has it: what is not there is left out."""
    if isinstance(value, dict):
        kept = {name: without_nothing(inner) for name, inner in value.items()}
        return {name: inner for name, inner in kept.items() if inner not in (None, [], {})}
    return [without_nothing(inner) for inner in value] if isinstance(value, list) else value


def main():
    files = sorted((ROOT / "shared/events/examples").glob("*/*.json"))
    assert len(files) > 30, files
    for file in files:
        example, place = json.loads(file.read_text()), f"{file.parent.name}/{file.name}"
        schema = json.loads((ROOT / f"shared/events/schema/{file.parent.name}.schema.json").read_text())
        validator = jsonschema.Draft202012Validator(schema)
        later = with_more(example["detail"])
        for detail in (example["detail"], later):
            errors = [error.message for error in validator.iter_errors(detail)]
            assert not errors, f"{place}: {errors}"
        removed = {name: value for name, value in later.items() if name != "revision"}
        assert not validator.is_valid(removed), f"{place} is valid without its revision"

        event = Event.from_json(example)
        written = dataclasses.asdict(event)
        written["detail-type"] = written.pop("detail_type")
        assert without_nothing(written) == without_nothing(example), f"{place} is read with a loss"
        assert Event.from_json({**example, "detail": later}) == event, f"{place}: a further field changes what is read"
    try:
        Event.from_json({"detail-type": "order.deleted", "detail": {}})
    except ValueError:
        pass
    else:
        raise AssertionError("an unknown detail-type is read")
    print(f"types-test: Python reads {len(files)} examples, and python-jsonschema takes them with further fields")


main()
