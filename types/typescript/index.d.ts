// Generated from the schemas of the events: see types/README.md. Do not edit.

/**
 * What a line of the order stands for.
 */
export type LineKind = "product" | "payment" | "shipping" | "coupon";

/**
 * How it reached us: sent by the vendor (`push`), found by the scheduled poll (`poll`), asked for by
 * name (`refresh`), or found by a backfill.
 */
export type Origin = "push" | "poll" | "refresh" | "backfill";

/**
 * One `Categories/Category` of a line.
 */
export interface Category {
  /**
   * `Category/@id`.
   */
  id?: string;
  /**
   * The text of `Category`.
   */
  name?: string;
}

/**
 * How to read a whole event: by invoking a function of the deployment, which may only read.
 */
export interface ClaimCheck {
  /**
   * The function's name in the deployment; the stack's output `EventReadName` has its name in the
   * account.
   */
  function: string;
  /**
   * What to invoke it with.
   */
  payload: ReadRequest;
}

/**
 * A person or company with an address: `CustomerInformation` or `ShippingAddress`.
 */
export interface Contact {
  /**
   * `City`.
   */
  city?: string;
  /**
   * `Company`.
   */
  company?: string;
  /**
   * `Country`, a two-letter code such as `fi`.
   */
  country?: string;
  /**
   * `Email`.
   */
  email?: string;
  /**
   * `Email/@allowMarketing`.
   */
  email_marketing_allowed?: boolean;
  /**
   * What the specification does not name.
   */
  extra?: Extra[];
  /**
   * `FirstName`.
   */
  first_name?: string;
  /**
   * `IPAddress`.
   */
  ip_address?: string;
  /**
   * `LastName`.
   */
  last_name?: string;
  /**
   * `Phone`.
   */
  phone?: string;
  /**
   * `Phone/@allowMarketing`.
   */
  phone_marketing_allowed?: boolean;
  /**
   * `ZipCode`, also read as `Zipcode` and `Zipcodeph`.
   */
  postal_code?: string;
  /**
   * `StreetAddress`.
   */
  street_address?: string;
  /**
   * `BusinessID`: the VAT code or business id.
   */
  vat_code?: string;
}

/**
 * An element (or attribute) that the specification does not name, kept as it came.
 */
export interface Extra {
  /**
   * The element's attributes.
   */
  attributes?: Record<string, string>;
  /**
   * The elements inside it, in their order.
   */
  children?: Extra[];
  /**
   * The element's name; an unknown attribute of a known element is `ELEMENT/@ATTRIBUTE`.
   */
  name: string;
  /**
   * The text directly inside it, trimmed of white space at its ends.
   */
  text?: string;
}

/**
 * One `Products/Product`: a product, a fee or a coupon.
 */
export interface Line {
  /**
   * `Campaign/CampaignID`.
   */
  campaign_id?: string;
  /**
   * `Categories/Category`.
   */
  categories?: Category[];
  /**
   * `ProductID/@CouponCode` of a coupon.
   */
  coupon_code?: string;
  /**
   * What the specification does not name.
   */
  extra?: Extra[];
  /**
   * `Campaign/NormalUnitPrice`: the price without the campaign, with up to four decimals.
   */
  normal_unit_price?: string;
  /**
   * `ProductID/@PaymentID` of a payment fee.
   */
  payment_method_id?: string;
  /**
   * `Code`, also read as `codeph`.
   */
  product_code?: string;
  /**
   * The text of `ProductID`; for a fee the word the shop writes there, such as `PAYMENT`.
   */
  product_id?: string;
  /**
   * `ProductName`.
   */
  product_name?: string;
  /**
   * `Quantity`.
   */
  quantity?: string;
  /**
   * `Shipped`: whether the line is delivered.
   */
  shipped?: boolean;
  /**
   * `ProductID/@ShippingID` of a shipping fee.
   */
  shipping_method_id?: string;
  /**
   * `Total`.
   */
  total?: string;
  /**
   * `TotalTax`.
   */
  total_tax?: string;
  /**
   * What the line stands for.
   */
  type: LineKind;
  /**
   * `UnitPrice`; clients take it to include the tax. A fee line can lack it.
   */
  unit_price?: string;
  /**
   * `UnitTax`.
   */
  unit_tax?: string;
  /**
   * `Variation/@id`.
   */
  variation_id?: string;
  /**
   * The text of `Variation`.
   */
  variation_name?: string;
  /**
   * `UnitPrice/@vat`, in percent.
   */
  vat_rate?: string;
}

/**
 * One order of a shop. Every field but `id` is optional, because the vendor promises none of them.
 */
export interface Order {
  /**
   * What the customer wrote (`Comments`), with the second layer of HTML entities decoded.
   */
  comments?: string;
  /**
   * When the order was made (`OrderedAt/@timestamp`, Unix seconds; without it, the text read as
   * Helsinki time).
   */
  created_at?: string;
  /**
   * The text of `OrderedAt`: the shop's local time, in Europe/Helsinki.
   */
  created_at_local?: string;
  /**
   * The customer's key in the shop (`CustomerInformation/CustomerID`); missing or 0 for guests.
   */
  customer_id?: string;
  /**
   * Who ordered (`CustomerInformation`).
   */
  customer_information?: Contact;
  /**
   * `Documents/DispatchNote`; a secret like `receipt_url`.
   */
  dispatch_note_url?: string;
  /**
   * What the order carried that the specification does not name.
   */
  extra?: Extra[];
  /**
   * The shop's key of the order (`Order/@id`), which every request names it by.
   */
  id: number;
  /**
   * `Documents/Invoice`; a secret like `receipt_url`.
   */
  invoice_url?: string;
  /**
   * `OrderLanguage`, for example `fi`.
   */
  language?: string;
  /**
   * The number shown to people (`OrderNumber`).
   */
  order_number?: string;
  /**
   * How it is paid. The XML has one payment an order, so none or one here.
   */
  payments?: Payment[];
  /**
   * The lines: products, and the fees and coupons that the shop writes among them (see
   * `Line::kind`).
   */
  products?: Line[];
  /**
   * `Documents/Receipt`. The address carries an access token: a secret wherever it could be logged.
   */
  receipt_url?: string;
  /**
   * How it is sent. The XML has one shipment an order, so none or one here.
   */
  shipments?: Shipment[];
  /**
   * Where it goes (`ShippingAddress`).
   */
  shipping_address?: Contact;
  /**
   * `OrderStatus`: `Open`, `Shipped`, `Cancelled`, perhaps others; the vendor publishes no list.
   */
  status?: string;
  /**
   * Which language or market version of the shop took the order (`OrderVersionID`); not a revision.
   */
  version_id?: string;
  /**
   * What looked wrong without making the order unreadable, for example a local time that is not the
   * time stamp's.
   */
  warnings?: string[];
}

/**
 * `PaymentMethod`, `PaymentReference` and `PaymentStatus`.
 */
export interface Payment {
  /**
   * The text of `PaymentMethod`.
   */
  name?: string;
  /**
   * `PaymentMethod/@PaymentID`.
   */
  payment_method_id?: string;
  /**
   * `PaymentReference`.
   */
  reference?: string;
  /**
   * `PaymentStatus`, for example `Paid`.
   */
  status?: string;
}

/**
 * What `event-read` is invoked with.
 */
export interface ReadRequest {
  /**
   * The `id` of an event.
   */
  read: string;
}

/**
 * `ShippingMethod`, `ShippingWeight` and `ShippingPackages`.
 */
export interface Shipment {
  /**
   * The text of `ShippingMethod`.
   */
  name?: string;
  /**
   * `ShippingPackages`: the number of parcels.
   */
  parcel_count?: number;
  /**
   * `ShippingMethod/@PickUpPointCode`.
   */
  pickup_point_code?: string;
  /**
   * `ShippingMethod/@ShippingID`.
   */
  shipping_method_id?: string;
  /**
   * `ShippingWeight`, in kilograms.
   */
  weight?: string;
}

/**
 * The detail of an event of detail-type order.created.
 */
export interface OrderCreated {
  /**
   * How to read the whole event; absent when `truncated` is false.
   */
  claim_check?: ClaimCheck;
  /**
   * The connection: `mycashflow/SHOP` or `manu/ACCOUNT`.
   */
  connection: string;
  /**
   * The id of the revision, the same however often it is published: drop repeats by it.
   */
  id: string;
  /**
   * When its state was asked for (`poll`, `refresh`, `backfill`) or received (`push`).
   */
  observed_at: string;
  /**
   * The order; absent when `truncated` is true.
   */
  order?: Order;
  /**
   * How it reached us: sent by the vendor (`push`), found by the scheduled poll (`poll`), asked for
   * by name (`refresh`), or found by a backfill.
   */
  origin: Origin;
  /**
   * When it was written to the ledger.
   */
  recorded_at: string;
  /**
   * The number of the revision among those of its document, from 1.
   */
  revision: number;
  /**
   * The version of the form. It stays as long as fields are only added.
   */
  schema_version: 1;
  /**
   * Whether the event would be too large with the document, so that it is left out.
   */
  truncated: boolean;
}

/**
 * What stood in the revision before, of the fields by which rules choose.
 */
export interface Previous {
  /**
   * The `status` of its first payment that has one; null when none had.
   */
  payment_status: string | null;
  /**
   * Whether all its products were shipped: of the lines of type `product` that say so. Null when
   * none did.
   */
  shipped: boolean | null;
  /**
   * The order's `status`; null when it had none.
   */
  status: string | null;
}

/**
 * The detail of an event of detail-type order.updated.
 */
export interface OrderUpdated {
  /**
   * The places in which the order differs from the revision before: `status`, `payments[0].status`.
   * With many, only the order's own fields that hold them. Null when the revision before is gone or
   * cannot be read: then it is unknown.
   */
  changes: string[] | null;
  /**
   * How to read the whole event; absent when `truncated` is false.
   */
  claim_check?: ClaimCheck;
  /**
   * The connection: `mycashflow/SHOP` or `manu/ACCOUNT`.
   */
  connection: string;
  /**
   * The id of the revision, the same however often it is published: drop repeats by it.
   */
  id: string;
  /**
   * When its state was asked for (`poll`, `refresh`, `backfill`) or received (`push`).
   */
  observed_at: string;
  /**
   * The order; absent when `truncated` is true.
   */
  order?: Order;
  /**
   * How it reached us: sent by the vendor (`push`), found by the scheduled poll (`poll`), asked for
   * by name (`refresh`), or found by a backfill.
   */
  origin: Origin;
  /**
   * What stood in the revision before; null when `changes` is.
   */
  previous: Previous | null;
  /**
   * When it was written to the ledger.
   */
  recorded_at: string;
  /**
   * The number of the revision among those of its document, from 1.
   */
  revision: number;
  /**
   * The version of the form. It stays as long as fields are only added.
   */
  schema_version: 1;
  /**
   * Whether the event would be too large with the document, so that it is left out.
   */
  truncated: boolean;
}

/**
 * The detail of an event of the ERP: its detail-type is the webhook's slug.
 */
export interface DocumentReceived {
  /**
   * How to read the whole event; absent when `truncated` is false.
   */
  claim_check?: ClaimCheck;
  /**
   * The connection: `mycashflow/SHOP` or `manu/ACCOUNT`.
   */
  connection: string;
  /**
   * The ERP's own JSON, its numbers as they were written; absent when `truncated` is true. The
   * vendor publishes no field names.
   */
  document?: unknown;
  /**
   * The id of the revision, the same however often it is published: drop repeats by it.
   */
  id: string;
  /**
   * When its state was asked for (`poll`, `refresh`, `backfill`) or received (`push`).
   */
  observed_at: string;
  /**
   * How it reached us: sent by the vendor (`push`), found by the scheduled poll (`poll`), asked for
   * by name (`refresh`), or found by a backfill.
   */
  origin: Origin;
  /**
   * When it was written to the ledger.
   */
  recorded_at: string;
  /**
   * The number of the revision among those of its document, from 1.
   */
  revision: number;
  /**
   * The version of the form. It stays as long as fields are only added.
   */
  schema_version: 1;
  /**
   * Whether the event would be too large with the document, so that it is left out.
   */
  truncated: boolean;
}

/** The webhooks of the ERP. */
export type Webhook =
  | "agreement-activate"
  | "item-save"
  | "partner-save"
  | "picklist-created"
  | "purchase-order-activate"
  | "sales-order-activate"
  | "serial-number-save"
  | "sales-invoice"
  | "purchase-invoice"
  | "sales-dispatch-activate"
  | "sales-dispatch-send"
  | "receipt-send"
  | "partner-api-post";

/** What the bus delivers to a rule's target. */
export interface Envelope<DetailType extends string, Source extends string, Detail> {
  version: string;
  /** EventBridge's own id, another one whenever the event is published: drop repeats by `detail.id`. */
  id: string;
  "detail-type": DetailType;
  source: Source;
  account: string;
  /** When the revision was recorded. */
  time: string;
  region: string;
  resources: string[];
  detail: Detail;
}

export type OrderCreatedEvent = Envelope<"order.created", "tilaussilta.mycashflow", OrderCreated>;
export type OrderUpdatedEvent = Envelope<"order.updated", "tilaussilta.mycashflow", OrderUpdated>;
export type DocumentEvent = Envelope<Webhook, "tilaussilta.manu", DocumentReceived>;
/** Any event. Its `detail-type` tells which. */
export type TilaussiltaEvent = OrderCreatedEvent | OrderUpdatedEvent | DocumentEvent;
