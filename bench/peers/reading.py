"""Reading a page of orders with lxml, as one would write it: `bench/parts/10-reading` drives it.

Prints a line of JSON with the digest of what it reads (the lines are those of bench/src/digest.rs); then, for each line with a
number on its input, reads the file so many times and prints `done`.
"""

import hashlib
import html
import json
import sys
from decimal import Decimal
from pathlib import Path

from lxml import etree


def boolean(text: str | None) -> bool | None:
    return None if text is None else text in ("true", "1")


def decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def fields(element: etree._Element) -> dict[str, etree._Element]:
    return {child.tag: child for child in element}


def text(found: dict[str, etree._Element], name: str) -> str | None:
    child = found.get(name)
    return None if child is None or not child.text else child.text.strip() or None


def attribute(found: dict[str, etree._Element], name: str, key: str) -> str | None:
    child = found.get(name)
    return None if child is None else child.get(key)


def read_contact(element: etree._Element | None) -> dict | None:
    if element is None:
        return None
    found = fields(element)
    zip_code = "ZipCode" if "ZipCode" in found else "Zipcodeph"
    return {
        "customer_id": text(found, "CustomerID"),
        "first_name": text(found, "FirstName"),
        "last_name": text(found, "LastName"),
        "company": text(found, "Company"),
        "business_id": text(found, "BusinessID"),
        "street": text(found, "StreetAddress"),
        "zip": text(found, zip_code),
        "city": text(found, "City"),
        "country": text(found, "Country"),
        "email": text(found, "Email"),
        "phone": text(found, "Phone"),
        "ip": text(found, "IPAddress"),
        "email_marketing": boolean(attribute(found, "Email", "allowMarketing")),
        "phone_marketing": boolean(attribute(found, "Phone", "allowMarketing")),
    }


def read_line(element: etree._Element) -> dict:
    found = fields(element)
    campaign = fields(found["Campaign"]) if "Campaign" in found else {}
    return {
        "product": text(found, "ProductID"),
        "payment": attribute(found, "ProductID", "PaymentID"),
        "shipping": attribute(found, "ProductID", "ShippingID"),
        "coupon": attribute(found, "ProductID", "CouponCode"),
        "name": text(found, "ProductName"),
        "variation.id": attribute(found, "Variation", "id"),
        "variation": text(found, "Variation"),
        "code": text(found, "Code" if "Code" in found else "codeph"),
        "price": decimal(text(found, "UnitPrice")),
        "vat": decimal(attribute(found, "UnitPrice", "vat")),
        "unit_tax": decimal(text(found, "UnitTax")),
        "quantity": decimal(text(found, "Quantity")),
        "total": decimal(text(found, "Total")),
        "total_tax": decimal(text(found, "TotalTax")),
        "shipped": boolean(text(found, "Shipped")),
        "campaign": text(campaign, "CampaignID"),
        "normal_price": decimal(text(campaign, "NormalUnitPrice")),
        "categories": [(category.get("id"), category.text) for category in found.get("Categories", ())],
    }


def read_order(element: etree._Element) -> dict:
    found = fields(element)
    documents = fields(found["Documents"]) if "Documents" in found else {}
    made_at = attribute(found, "OrderedAt", "timestamp")
    comments = text(found, "Comments")
    weight, parcels = text(found, "ShippingWeight"), text(found, "ShippingPackages")
    return {
        "id": int(element.get("id")),
        "number": text(found, "OrderNumber"),
        "version": text(found, "OrderVersionID"),
        "made_at": None if made_at is None else int(made_at),
        "made_at_local": text(found, "OrderedAt"),
        "status": text(found, "OrderStatus"),
        "language": text(found, "OrderLanguage"),
        "comments": None if comments is None else html.unescape(comments),
        "payment.id": attribute(found, "PaymentMethod", "PaymentID"),
        "payment.name": text(found, "PaymentMethod"),
        "payment.reference": text(found, "PaymentReference"),
        "payment.status": text(found, "PaymentStatus"),
        "shipping.id": attribute(found, "ShippingMethod", "ShippingID"),
        "shipping.point": attribute(found, "ShippingMethod", "PickUpPointCode"),
        "shipping.name": text(found, "ShippingMethod"),
        "shipping.weight": decimal(weight),
        "shipping.parcels": None if parcels is None else int(parcels),
        "receipt": text(documents, "Receipt"),
        "dispatch_note": text(documents, "DispatchNote"),
        "invoice": text(documents, "Invoice"),
        "customer": read_contact(found.get("CustomerInformation")),
        "address": read_contact(found.get("ShippingAddress")),
        "lines": [read_line(line) for line in found.get("Products", ())],
    }


def read(document: bytes) -> list[dict]:
    root = etree.fromstring(document, etree.XMLParser(resolve_entities=False, no_network=True))
    return [read_order(order) for order in root.iterchildren("Order")]


def shown(value: object) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def digest(orders: list[dict]) -> str:
    lines: list[tuple[str, object]] = []
    for order in orders:
        lines += [(name, value) for name, value in order.items() if name not in ("customer", "address", "lines")]
        lines.append(("customer.id", (order["customer"] or {}).get("customer_id")))
        for owner in ("customer", "address"):
            contact = (order[owner] or {}).items()
            lines += [(f"{owner}.{name}", value) for name, value in contact if name != "customer_id"]
        for line in order["lines"]:
            lines += [(f"line.{name}", value) for name, value in line.items() if name != "categories"]
            for key, name in line["categories"]:
                lines += [("line.category.id", key), ("line.category", name)]
    values = "".join(f"{name}={shown(value)}\n" for name, value in lines if value is not None)
    return hashlib.sha256(values.encode()).hexdigest()


def main() -> None:
    document = Path(sys.argv[1]).read_bytes()
    print(json.dumps({"digest": digest(read(document))}), flush=True)
    for line in sys.stdin:
        for _ in range(int(line)):
            read(document)
        print("done", flush=True)


if __name__ == "__main__":
    main()
