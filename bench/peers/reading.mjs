// Reading a page of orders with fast-xml-parser, as one would write it: bench/parts/10-reading drives it.
//
// Prints a line of JSON with the digest of what it reads (the lines are those of bench/src/digest.rs); then, for each line with a
// number on its input, reads the file so many times and prints "done". JavaScript has no decimal numbers: money stays the
// text that it is.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { XMLParser } from "fast-xml-parser";
import { decode } from "html-entities";

const LISTS = new Set(["Orders.Order", "Orders.Order.Products.Product", "Orders.Order.Products.Product.Categories.Category"]);
const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: "@",
  // Numbers would lose the zeros in front of a postal code.
  parseTagValue: false,
  parseAttributeValue: false,
  isArray: (_name, path) => LISTS.has(path),
  // References, not declared entities: a page has more of them than the limits meant for bombs allow.
  processEntities: { enabled: true, maxTotalExpansions: 1e6, maxExpandedLength: 1e8 },
});

const text = (value) => (typeof value === "object" ? value["#text"] : value) || undefined;
const bool = (value) => (value === undefined ? undefined : value === "true" || value === "1");
const whole = (value) => (value === undefined ? undefined : Number(value));

function readContact(contact) {
  if (!contact) return undefined;
  return {
    first_name: text(contact.FirstName),
    last_name: text(contact.LastName),
    company: text(contact.Company),
    business_id: text(contact.BusinessID),
    street: text(contact.StreetAddress),
    zip: text(contact.ZipCode ?? contact.Zipcodeph),
    city: text(contact.City),
    country: text(contact.Country),
    email: text(contact.Email),
    phone: text(contact.Phone),
    ip: text(contact.IPAddress),
    email_marketing: bool(contact.Email?.["@allowMarketing"]),
    phone_marketing: bool(contact.Phone?.["@allowMarketing"]),
  };
}

function readLine(line) {
  return {
    product: text(line.ProductID),
    payment: line.ProductID?.["@PaymentID"],
    shipping: line.ProductID?.["@ShippingID"],
    coupon: line.ProductID?.["@CouponCode"],
    name: text(line.ProductName),
    "variation.id": line.Variation?.["@id"],
    variation: text(line.Variation),
    code: text(line.Code ?? line.codeph),
    price: text(line.UnitPrice),
    vat: line.UnitPrice?.["@vat"],
    unit_tax: text(line.UnitTax),
    quantity: text(line.Quantity),
    total: text(line.Total),
    total_tax: text(line.TotalTax),
    shipped: bool(text(line.Shipped)),
    campaign: text(line.Campaign?.CampaignID),
    normal_price: text(line.Campaign?.NormalUnitPrice),
    categories: line.Categories?.Category?.map((category) => [category["@id"], text(category)]) ?? [],
  };
}

function readOrder(order) {
  const comments = text(order.Comments);
  return {
    id: whole(order["@id"]),
    number: text(order.OrderNumber),
    version: text(order.OrderVersionID),
    made_at: whole(order.OrderedAt?.["@timestamp"]),
    made_at_local: text(order.OrderedAt),
    status: text(order.OrderStatus),
    language: text(order.OrderLanguage),
    comments: comments && decode(comments),
    "payment.id": order.PaymentMethod?.["@PaymentID"],
    "payment.name": text(order.PaymentMethod),
    "payment.reference": text(order.PaymentReference),
    "payment.status": text(order.PaymentStatus),
    "shipping.id": order.ShippingMethod?.["@ShippingID"],
    "shipping.point": order.ShippingMethod?.["@PickUpPointCode"],
    "shipping.name": text(order.ShippingMethod),
    "shipping.weight": text(order.ShippingWeight),
    "shipping.parcels": whole(text(order.ShippingPackages)),
    receipt: text(order.Documents?.Receipt),
    dispatch_note: text(order.Documents?.DispatchNote),
    invoice: text(order.Documents?.Invoice),
    customerId: text(order.CustomerInformation?.CustomerID),
    customer: readContact(order.CustomerInformation),
    address: readContact(order.ShippingAddress),
    lines: order.Products?.Product?.map(readLine) ?? [],
  };
}

const read = (document) => parser.parse(document).Orders.Order.map(readOrder);

function digest(orders) {
  const hash = createHash("sha256");
  const add = (prefix, values) => {
    for (const [name, value] of Object.entries(values)) {
      if (value !== undefined) hash.update(`${prefix}${name}=${value}\n`);
    }
  };
  for (const { customerId, customer, address, lines, ...order } of orders) {
    add("", order);
    add("customer.", { id: customerId });
    add("customer.", customer ?? {});
    add("address.", address ?? {});
    for (const { categories, ...line } of lines) {
      add("line.", line);
      for (const [id, name] of categories) add("line.", { "category.id": id, category: name });
    }
  }
  return hash.digest("hex");
}

const document = readFileSync(process.argv[2]);
console.log(JSON.stringify({ digest: digest(read(document)) }));
for await (const line of createInterface({ input: process.stdin })) {
  for (let left = Number(line); left > 0; left -= 1) read(document);
  console.log("done");
}
