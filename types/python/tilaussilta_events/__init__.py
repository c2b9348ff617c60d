"""The events of Tilaussilta. Generated from their schemas: see types/README.md. Do not edit.

Read an event with ``Event.from_json``. Fields that were added since are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

LineKind = Literal["product", "payment", "shipping", "coupon"]
"""What a line of the order stands for."""

Origin = Literal["push", "poll", "refresh", "backfill"]
"""How it reached us: sent by the vendor (`push`), found by the scheduled poll (`poll`), asked for by
name (`refresh`), or found by a backfill."""


@dataclass(frozen=True, kw_only=True)
class Category:
    """One `Categories/Category` of a line."""

    id: str | None = None
    """`Category/@id`."""
    name: str | None = None
    """The text of `Category`."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Category:
        return cls(
            id=value.get("id"),
            name=value.get("name"),
        )


@dataclass(frozen=True, kw_only=True)
class ClaimCheck:
    """How to read a whole event: by invoking a function of the deployment, which may only read."""

    function: str
    """The function's name in the deployment; the stack's output `EventReadName` has its name in the
    account."""
    payload: ReadRequest
    """What to invoke it with."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ClaimCheck:
        return cls(
            function=value["function"],
            payload=ReadRequest.from_json(value["payload"]),
        )


@dataclass(frozen=True, kw_only=True)
class Contact:
    """A person or company with an address: `CustomerInformation` or `ShippingAddress`."""

    city: str | None = None
    """`City`."""
    company: str | None = None
    """`Company`."""
    country: str | None = None
    """`Country`, a two-letter code such as `fi`."""
    email: str | None = None
    """`Email`."""
    email_marketing_allowed: bool | None = None
    """`Email/@allowMarketing`."""
    extra: list[Extra] = field(default_factory=list)
    """What the specification does not name."""
    first_name: str | None = None
    """`FirstName`."""
    ip_address: str | None = None
    """`IPAddress`."""
    last_name: str | None = None
    """`LastName`."""
    phone: str | None = None
    """`Phone`."""
    phone_marketing_allowed: bool | None = None
    """`Phone/@allowMarketing`."""
    postal_code: str | None = None
    """`ZipCode`, also read as `Zipcode` and `Zipcodeph`."""
    street_address: str | None = None
    """`StreetAddress`."""
    vat_code: str | None = None
    """`BusinessID`: the VAT code or business id."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Contact:
        return cls(
            city=value.get("city"),
            company=value.get("company"),
            country=value.get("country"),
            email=value.get("email"),
            email_marketing_allowed=value.get("email_marketing_allowed"),
            extra=[Extra.from_json(one) for one in value.get("extra", [])],
            first_name=value.get("first_name"),
            ip_address=value.get("ip_address"),
            last_name=value.get("last_name"),
            phone=value.get("phone"),
            phone_marketing_allowed=value.get("phone_marketing_allowed"),
            postal_code=value.get("postal_code"),
            street_address=value.get("street_address"),
            vat_code=value.get("vat_code"),
        )


@dataclass(frozen=True, kw_only=True)
class Extra:
    """An element (or attribute) that the specification does not name, kept as it came."""

    attributes: dict[str, str] = field(default_factory=dict)
    """The element's attributes."""
    children: list[Extra] = field(default_factory=list)
    """The elements inside it, in their order."""
    name: str
    """The element's name; an unknown attribute of a known element is `ELEMENT/@ATTRIBUTE`."""
    text: str | None = None
    """The text directly inside it, trimmed of white space at its ends."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Extra:
        return cls(
            attributes=dict(value.get("attributes", {})),
            children=[Extra.from_json(one) for one in value.get("children", [])],
            name=value["name"],
            text=value.get("text"),
        )


@dataclass(frozen=True, kw_only=True)
class Line:
    """One `Products/Product`: a product, a fee or a coupon."""

    campaign_id: str | None = None
    """`Campaign/CampaignID`."""
    categories: list[Category] = field(default_factory=list)
    """`Categories/Category`."""
    coupon_code: str | None = None
    """`ProductID/@CouponCode` of a coupon."""
    extra: list[Extra] = field(default_factory=list)
    """What the specification does not name."""
    normal_unit_price: str | None = None
    """`Campaign/NormalUnitPrice`: the price without the campaign, with up to four decimals."""
    payment_method_id: str | None = None
    """`ProductID/@PaymentID` of a payment fee."""
    product_code: str | None = None
    """`Code`, also read as `codeph`."""
    product_id: str | None = None
    """The text of `ProductID`; for a fee the word the shop writes there, such as `PAYMENT`."""
    product_name: str | None = None
    """`ProductName`."""
    quantity: str | None = None
    """`Quantity`."""
    shipped: bool | None = None
    """`Shipped`: whether the line is delivered."""
    shipping_method_id: str | None = None
    """`ProductID/@ShippingID` of a shipping fee."""
    total: str | None = None
    """`Total`."""
    total_tax: str | None = None
    """`TotalTax`."""
    type: LineKind
    """What the line stands for."""
    unit_price: str | None = None
    """`UnitPrice`; clients take it to include the tax. A fee line can lack it."""
    unit_tax: str | None = None
    """`UnitTax`."""
    variation_id: str | None = None
    """`Variation/@id`."""
    variation_name: str | None = None
    """The text of `Variation`."""
    vat_rate: str | None = None
    """`UnitPrice/@vat`, in percent."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Line:
        return cls(
            campaign_id=value.get("campaign_id"),
            categories=[Category.from_json(one) for one in value.get("categories", [])],
            coupon_code=value.get("coupon_code"),
            extra=[Extra.from_json(one) for one in value.get("extra", [])],
            normal_unit_price=value.get("normal_unit_price"),
            payment_method_id=value.get("payment_method_id"),
            product_code=value.get("product_code"),
            product_id=value.get("product_id"),
            product_name=value.get("product_name"),
            quantity=value.get("quantity"),
            shipped=value.get("shipped"),
            shipping_method_id=value.get("shipping_method_id"),
            total=value.get("total"),
            total_tax=value.get("total_tax"),
            type=value["type"],
            unit_price=value.get("unit_price"),
            unit_tax=value.get("unit_tax"),
            variation_id=value.get("variation_id"),
            variation_name=value.get("variation_name"),
            vat_rate=value.get("vat_rate"),
        )


@dataclass(frozen=True, kw_only=True)
class Order:
    """One order of a shop. Every field but `id` is optional, because the vendor promises none of them."""

    comments: str | None = None
    """What the customer wrote (`Comments`), with the second layer of HTML entities decoded."""
    created_at: str | None = None
    """When the order was made (`OrderedAt/@timestamp`, Unix seconds; without it, the text read as
    Helsinki time)."""
    created_at_local: str | None = None
    """The text of `OrderedAt`: the shop's local time, in Europe/Helsinki."""
    customer_id: str | None = None
    """The customer's key in the shop (`CustomerInformation/CustomerID`); missing or 0 for guests."""
    customer_information: Contact | None = None
    """Who ordered (`CustomerInformation`)."""
    dispatch_note_url: str | None = None
    """`Documents/DispatchNote`; a secret like `receipt_url`."""
    extra: list[Extra] = field(default_factory=list)
    """What the order carried that the specification does not name."""
    id: int
    """The shop's key of the order (`Order/@id`), which every request names it by."""
    invoice_url: str | None = None
    """`Documents/Invoice`; a secret like `receipt_url`."""
    language: str | None = None
    """`OrderLanguage`, for example `fi`."""
    order_number: str | None = None
    """The number shown to people (`OrderNumber`)."""
    payments: list[Payment] = field(default_factory=list)
    """How it is paid. The XML has one payment an order, so none or one here."""
    products: list[Line] = field(default_factory=list)
    """The lines: products, and the fees and coupons that the shop writes among them (see `Line::kind`)."""
    receipt_url: str | None = None
    """`Documents/Receipt`. The address carries an access token: a secret wherever it could be logged."""
    shipments: list[Shipment] = field(default_factory=list)
    """How it is sent. The XML has one shipment an order, so none or one here."""
    shipping_address: Contact | None = None
    """Where it goes (`ShippingAddress`)."""
    status: str | None = None
    """`OrderStatus`: `Open`, `Shipped`, `Cancelled`, perhaps others; the vendor publishes no list."""
    version_id: str | None = None
    """Which language or market version of the shop took the order (`OrderVersionID`); not a revision."""
    warnings: list[str] = field(default_factory=list)
    """What looked wrong without making the order unreadable, for example a local time that is not the
    time stamp's."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Order:
        return cls(
            comments=value.get("comments"),
            created_at=value.get("created_at"),
            created_at_local=value.get("created_at_local"),
            customer_id=value.get("customer_id"),
            customer_information=None if value.get("customer_information") is None else Contact.from_json(value["customer_information"]),
            dispatch_note_url=value.get("dispatch_note_url"),
            extra=[Extra.from_json(one) for one in value.get("extra", [])],
            id=value["id"],
            invoice_url=value.get("invoice_url"),
            language=value.get("language"),
            order_number=value.get("order_number"),
            payments=[Payment.from_json(one) for one in value.get("payments", [])],
            products=[Line.from_json(one) for one in value.get("products", [])],
            receipt_url=value.get("receipt_url"),
            shipments=[Shipment.from_json(one) for one in value.get("shipments", [])],
            shipping_address=None if value.get("shipping_address") is None else Contact.from_json(value["shipping_address"]),
            status=value.get("status"),
            version_id=value.get("version_id"),
            warnings=[one for one in value.get("warnings", [])],
        )


@dataclass(frozen=True, kw_only=True)
class Payment:
    """`PaymentMethod`, `PaymentReference` and `PaymentStatus`."""

    name: str | None = None
    """The text of `PaymentMethod`."""
    payment_method_id: str | None = None
    """`PaymentMethod/@PaymentID`."""
    reference: str | None = None
    """`PaymentReference`."""
    status: str | None = None
    """`PaymentStatus`, for example `Paid`."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Payment:
        return cls(
            name=value.get("name"),
            payment_method_id=value.get("payment_method_id"),
            reference=value.get("reference"),
            status=value.get("status"),
        )


@dataclass(frozen=True, kw_only=True)
class ReadRequest:
    """What `event-read` is invoked with."""

    read: str
    """The `id` of an event."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ReadRequest:
        return cls(
            read=value["read"],
        )


@dataclass(frozen=True, kw_only=True)
class Shipment:
    """`ShippingMethod`, `ShippingWeight` and `ShippingPackages`."""

    name: str | None = None
    """The text of `ShippingMethod`."""
    parcel_count: int | None = None
    """`ShippingPackages`: the number of parcels."""
    pickup_point_code: str | None = None
    """`ShippingMethod/@PickUpPointCode`."""
    shipping_method_id: str | None = None
    """`ShippingMethod/@ShippingID`."""
    weight: str | None = None
    """`ShippingWeight`, in kilograms."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Shipment:
        return cls(
            name=value.get("name"),
            parcel_count=value.get("parcel_count"),
            pickup_point_code=value.get("pickup_point_code"),
            shipping_method_id=value.get("shipping_method_id"),
            weight=value.get("weight"),
        )


@dataclass(frozen=True, kw_only=True)
class OrderCreated:
    """The detail of an event of detail-type order.created."""

    claim_check: ClaimCheck | None = None
    """How to read the whole event; absent when `truncated` is false."""
    connection: str
    """The connection: `mycashflow/SHOP` or `manu/ACCOUNT`."""
    id: str
    """The id of the revision, the same however often it is published: drop repeats by it."""
    observed_at: str
    """When its state was asked for (`poll`, `refresh`, `backfill`) or received (`push`)."""
    order: Order | None = None
    """The order; absent when `truncated` is true."""
    origin: Origin
    """How it reached us: sent by the vendor (`push`), found by the scheduled poll (`poll`), asked for
    by name (`refresh`), or found by a backfill."""
    recorded_at: str
    """When it was written to the ledger."""
    revision: int
    """The number of the revision among those of its document, from 1."""
    schema_version: Literal[1]
    """The version of the form. It stays as long as fields are only added."""
    truncated: bool
    """Whether the event would be too large with the document, so that it is left out."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> OrderCreated:
        return cls(
            claim_check=None if value.get("claim_check") is None else ClaimCheck.from_json(value["claim_check"]),
            connection=value["connection"],
            id=value["id"],
            observed_at=value["observed_at"],
            order=None if value.get("order") is None else Order.from_json(value["order"]),
            origin=value["origin"],
            recorded_at=value["recorded_at"],
            revision=value["revision"],
            schema_version=value["schema_version"],
            truncated=value["truncated"],
        )


@dataclass(frozen=True, kw_only=True)
class Previous:
    """What stood in the revision before, of the fields by which rules choose."""

    payment_status: str | None
    """The `status` of its first payment that has one; null when none had."""
    shipped: bool | None
    """Whether all its products were shipped: of the lines of type `product` that say so. Null when none
    did."""
    status: str | None
    """The order's `status`; null when it had none."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Previous:
        return cls(
            payment_status=value.get("payment_status"),
            shipped=value.get("shipped"),
            status=value.get("status"),
        )


@dataclass(frozen=True, kw_only=True)
class OrderUpdated:
    """The detail of an event of detail-type order.updated."""

    changes: list[str] | None
    """The places in which the order differs from the revision before: `status`, `payments[0].status`.
    With many, only the order's own fields that hold them. Null when the revision before is gone or
    cannot be read: then it is unknown."""
    claim_check: ClaimCheck | None = None
    """How to read the whole event; absent when `truncated` is false."""
    connection: str
    """The connection: `mycashflow/SHOP` or `manu/ACCOUNT`."""
    id: str
    """The id of the revision, the same however often it is published: drop repeats by it."""
    observed_at: str
    """When its state was asked for (`poll`, `refresh`, `backfill`) or received (`push`)."""
    order: Order | None = None
    """The order; absent when `truncated` is true."""
    origin: Origin
    """How it reached us: sent by the vendor (`push`), found by the scheduled poll (`poll`), asked for
    by name (`refresh`), or found by a backfill."""
    previous: Previous | None
    """What stood in the revision before; null when `changes` is."""
    recorded_at: str
    """When it was written to the ledger."""
    revision: int
    """The number of the revision among those of its document, from 1."""
    schema_version: Literal[1]
    """The version of the form. It stays as long as fields are only added."""
    truncated: bool
    """Whether the event would be too large with the document, so that it is left out."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> OrderUpdated:
        return cls(
            changes=None if value.get("changes") is None else list(value["changes"]),
            claim_check=None if value.get("claim_check") is None else ClaimCheck.from_json(value["claim_check"]),
            connection=value["connection"],
            id=value["id"],
            observed_at=value["observed_at"],
            order=None if value.get("order") is None else Order.from_json(value["order"]),
            origin=value["origin"],
            previous=None if value.get("previous") is None else Previous.from_json(value["previous"]),
            recorded_at=value["recorded_at"],
            revision=value["revision"],
            schema_version=value["schema_version"],
            truncated=value["truncated"],
        )


@dataclass(frozen=True, kw_only=True)
class DocumentReceived:
    """The detail of an event of the ERP: its detail-type is the webhook's slug."""

    claim_check: ClaimCheck | None = None
    """How to read the whole event; absent when `truncated` is false."""
    connection: str
    """The connection: `mycashflow/SHOP` or `manu/ACCOUNT`."""
    document: Any = None
    """The ERP's own JSON, its numbers as they were written; absent when `truncated` is true. The vendor
    publishes no field names."""
    id: str
    """The id of the revision, the same however often it is published: drop repeats by it."""
    observed_at: str
    """When its state was asked for (`poll`, `refresh`, `backfill`) or received (`push`)."""
    origin: Origin
    """How it reached us: sent by the vendor (`push`), found by the scheduled poll (`poll`), asked for
    by name (`refresh`), or found by a backfill."""
    recorded_at: str
    """When it was written to the ledger."""
    revision: int
    """The number of the revision among those of its document, from 1."""
    schema_version: Literal[1]
    """The version of the form. It stays as long as fields are only added."""
    truncated: bool
    """Whether the event would be too large with the document, so that it is left out."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> DocumentReceived:
        return cls(
            claim_check=None if value.get("claim_check") is None else ClaimCheck.from_json(value["claim_check"]),
            connection=value["connection"],
            document=value.get("document"),
            id=value["id"],
            observed_at=value["observed_at"],
            origin=value["origin"],
            recorded_at=value["recorded_at"],
            revision=value["revision"],
            schema_version=value["schema_version"],
            truncated=value["truncated"],
        )


WEBHOOKS: Final = frozenset({
    "agreement-activate",
    "item-save",
    "partner-save",
    "picklist-created",
    "purchase-order-activate",
    "sales-order-activate",
    "serial-number-save",
    "sales-invoice",
    "purchase-invoice",
    "sales-dispatch-activate",
    "sales-dispatch-send",
    "receipt-send",
    "partner-api-post",
})
"""The webhooks of the ERP."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """What the bus delivers to a rule's target."""

    version: str
    id: str
    """EventBridge's own id, another one whenever the event is published: drop repeats by ``detail.id``."""
    detail_type: str
    source: str
    account: str
    time: str
    """When the revision was recorded."""
    region: str
    resources: list[str]
    detail: OrderCreated | OrderUpdated | DocumentReceived

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Event:
        """Reads an event. Raises ``ValueError`` for a detail-type that is not known."""
        detail: OrderCreated | OrderUpdated | DocumentReceived
        match value["detail-type"]:
            case "order.created":
                detail = OrderCreated.from_json(value["detail"])
            case "order.updated":
                detail = OrderUpdated.from_json(value["detail"])
            case webhook if webhook in WEBHOOKS:
                detail = DocumentReceived.from_json(value["detail"])
            case other:
                raise ValueError(f"unknown detail-type {other!r}")
        return cls(
            version=value["version"],
            id=value["id"],
            detail_type=value["detail-type"],
            source=value["source"],
            account=value["account"],
            time=value["time"],
            region=value["region"],
            resources=list(value["resources"]),
            detail=detail,
        )
