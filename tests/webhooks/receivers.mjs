// The receiver of docs/webhooks.md in Node, with the requests of signed.json.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const [, receiver] = read("../../docs/webhooks.md").match(/```js\n(.*?)```/s);
assert(receiver.trim().split("\n").length <= 12, "the receiver is short");
// Beside the library, so that it is found.
const file = new URL("node_modules/receiver.mjs", import.meta.url);
writeFileSync(file, receiver);

const { now, secrets, requests } = JSON.parse(read("signed.json"));
let clock = now;
Date.now = () => clock * 1000;

for (const [index, secret] of secrets.entries()) {
    process.env.WEBHOOK_SECRET = secret;
    const { receive } = await import(`${file}?${index}`);
    const outcomes = requests.map(({ headers, body }) => receive(headers, body));
    assert.deepEqual(outcomes, ["new", "old", "old", "new", "new"], `secret ${index}`);

    const [{ headers, body }] = requests;
    assert.throws(() => receive(headers, body.replace("Open", "Paid")), /signature/i);
    assert.throws(() => receive({ ...headers, "webhook-id": requests[3].headers["webhook-id"] }, body), /signature/i);
    assert.throws(() => receive({ ...headers, "webhook-signature": headers["webhook-signature"].slice(0, 20) }, body));
    clock = now + 600;
    assert.throws(() => receive(headers, body), /too old/i);
    clock = now;
}
console.log(`the receiver in Node: ${requests.length} requests, with each of ${secrets.length} secrets`);
