// The file: a header, and a line for each order, with the order's highest revision that was seen.
const HEADER = "connection,order,revision,order_number,created_at,status,payment_status,total";

/** The file that an order belongs to: the day on which it was made, in the shop's time. It never changes. */
export function fileOf(detail) {
  if (!detail.order) throw new Error("truncated: read the order from the ledger");
  const day = /^\d{4}-\d\d-\d\d/.exec(detail.order.created_at_local ?? detail.order.created_at);
  if (!day) throw new Error("the order has no date");
  return `orders/${day[0]}.csv`;
}

/** The line of an order. Its first three cells hold no comma and no quote. */
export function lineOf({ connection, revision, order }) {
  const payment = order.payments?.map((payment) => payment.status).join(" ");
  const cells = [order.order_number, order.created_at_local ?? order.created_at, order.status, payment];
  return [connection, order.id, revision, ...cells.map(cell), total(order)].join();
}

/** A file's text with these lines. An older revision than a line's changes nothing, and neither does a repeat. */
export function merge(text, added) {
  const lines = new Map(text.split("\r\n").slice(1, -1).map((line) => [orderOf(line), line]));
  for (const line of added) {
    const known = lines.get(orderOf(line));
    if (!known || revisionOf(known) < revisionOf(line)) lines.set(orderOf(line), line);
  }
  return [HEADER, ...lines.values(), ""].join("\r\n");
}

const orderOf = (line) => line.split(",", 2).join();
const revisionOf = (line) => Number(line.split(",", 3)[2]);

/** A cell of text. What a spreadsheet would run as a formula begins with an apostrophe. */
function cell(text = "") {
  const flat = text.replace(/[\r\n]+/g, " ").replace(/^[=+\-@\t]/, "'$&");
  return /[",]/.test(flat) ? `"${flat.replaceAll('"', '""')}"` : flat;
}

/** The sum of the lines' totals. They are decimal strings, and no float touches them. */
function total({ products = [] }) {
  const parts = products.filter((line) => line.total !== undefined).map((line) => line.total.split("."));
  const places = Math.max(0, ...parts.map(([, decimals = ""]) => decimals.length));
  const sum = parts.reduce((sum, [whole, decimals = ""]) => sum + BigInt(whole + decimals.padEnd(places, "0")), 0n);
  const digits = String(sum < 0n ? -sum : sum).padStart(places + 1, "0");
  const cut = digits.length - places;
  return (sum < 0n ? "-" : "") + digits.slice(0, cut) + (places ? `.${digits.slice(cut)}` : "");
}
