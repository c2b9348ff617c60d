// The console as people use it: each page, each act, both languages, the keyboard, a screen reader's rules (axe), a narrow
// screen, and whoever should not get in.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const root = new URL("../..", import.meta.url).pathname;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
const screenshots = process.env.UPDATE ? join(root, "docs/console") : undefined;
const folder = mkdtempSync(join(tmpdir(), "tilaussilta-console-"));

/** Starts a program, and gives the first line that it prints. */
function start(program, args) {
  const child = spawn(join(target, "debug", program), args, { cwd: folder, stdio: ["pipe", "pipe", "inherit"] });
  const line = new Promise((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (data) => {
      text += data;
      if (text.includes("\n")) resolve(text.split("\n")[0]);
    });
    child.on("exit", (code) => reject(new Error(`${program} ended with ${code}`)));
  });
  return { child, line };
}

async function post(url, body = "", headers = {}) {
  const answer = await fetch(url, { method: "POST", body, headers });
  assert.ok(answer.ok, `${url}: ${answer.status} ${await answer.text()}`);
  return answer;
}

async function until(what, holds) {
  for (let tries = 0; tries < 100; tries++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`it never came: ${what}`);
}

/** A day in the simulated shop: orders by both ways, a broken one, a dispatch that delivers, an order named <script>. */
async function makeADay(url) {
  await post(`${url}/shops/acme/orders?count=6`);
  await post(`${url}/shops/acme/orders?via=api&count=3`);
  const invoke = (name, event) =>
    post(`${url}/2015-03-31/functions/${name}/invocations`, JSON.stringify(event));
  await invoke("changes-poller", {});
  await post(`${url}/shops/acme/orders/3?status=Processing`);
  await post(`${url}/shops/acme/orders/2?trouble=unreadable`);
  await invoke("changes-poller", {});
  await post(
    `${url}/erp/acme/sales-dispatch-activate?id=4711`,
    JSON.stringify({ id: 4711, shop_orders: [{ number: 1 }], tracking_code: "JJFI65432100000000001" }),
  );
  await post(`${url}/erp/acme/sales-order-activate?id=4712`);
  const order = `<Order id="999"><OrderNumber>&lt;script&gt;alert(1)&lt;/script&gt;</OrderNumber>
    <OrderedAt timestamp="${Math.floor(Date.now() / 1000)}"/><OrderStatus>&lt;script&gt;</OrderStatus></Order>`;
  await post(`${url}/mycashflow/acme/orders?key=example-push-key`, order, { "content-type": "application/xml" });
  await post(`${url}/manu/acme/item-save`, "{}", { VerifyCode: "0".repeat(32) }).catch(() => {});
}

const pages = [
  ["/", "Today", "Tänään"],
  ["/orders", "Orders", "Tilaukset"],
  ["/messages?all=1", "Messages", "Viestit"],
  ["/actions", "Actions", "Toimenpiteet"],
  ["/problems", "Problems", "Selvitettävät"],
  ["/compare", "Compare", "Vertailu"],
  ["/completeness", "Completeness", "Täsmäytys"],
  ["/connections", "Connections", "Yhteydet"],
];

async function axeFinds(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
}

const tests = {
  async "whoever has no token, a wrong token or another host name gets nothing"({ url, token }) {
    const look = async (path, headers = {}) => (await fetch(url + path, { headers, redirect: "manual" })).status;
    assert.equal(await look("/"), 403);
    assert.equal(await look(`/?token=${"0".repeat(token.length)}`), 403);
    assert.equal(await look("/orders", { cookie: `tilaussilta_session_${new URL(url).port}=wrong` }), 403);
    assert.equal(await look(`/?token=${token}`), 303);
    // A name that a stranger points at this machine. Node's fetch does not let the header be set.
    const { request } = await import("node:http");
    const status = await new Promise((resolve, reject) => {
      const asked = request(`${url}/?token=${token}`, { headers: { host: "evil.example" } }, (answer) => {
        resolve(answer.statusCode);
        answer.resume();
      });
      asked.on("error", reject).end();
    });
    assert.equal(status, 421);
  },

  async "each page is there in both languages, and axe finds nothing"({ page, url }) {
    for (const [path, english, finnish] of pages) {
      for (const [code, title] of [["en", english], ["fi", finnish]]) {
        const answer = await page.goto(`${url}${path}${path.includes("?") ? "&" : "?"}lang=${code}`);
        assert.equal(answer.status(), 200, path);
        assert.match(answer.headers()["content-security-policy"], /default-src 'none'/);
        assert.equal(await page.locator("h1").textContent(), title);
        assert.equal(await page.locator("html").getAttribute("lang"), code);
        assert.deepEqual(await axeFinds(page), [], `${path} in ${code}`);
      }
    }
    await page.goto(`${url}/?lang=en`);
  },

  async "the browser's language is taken first, and a choice is kept"({ browser, url, token }) {
    const context = await browser.newContext({ locale: "fi-FI" });
    const page = await context.newPage();
    await page.goto(`${url}/?token=${token}`);
    assert.equal(new URL(page.url()).search, "", "the token is out of the address");
    assert.equal(await page.locator("h1").textContent(), "Tänään");
    await page.getByRole("link", { name: "In English" }).click();
    await page.getByRole("link", { name: "Orders" }).click();
    assert.equal(await page.locator("h1").textContent(), "Orders");
    await context.close();
  },

  async "an order named <script> is shown as text"({ page, url }) {
    let asked = false;
    page.once("dialog", (dialog) => {
      asked = true;
      dialog.dismiss();
    });
    await page.goto(`${url}/orders`);
    assert.ok(await page.getByText("<script>alert(1)</script>").isVisible());
    assert.equal(asked, false);
  },

  async "an order is found by a text in it, and its timeline tells what became of it"({ page, url, events }) {
    const { order } = (await events()).find((event) => event.detail.id === "mycashflow/acme/order/1/1").detail;
    await page.goto(`${url}/orders`);
    await page.getByLabel("Text in the order").fill("OrderNumber");
    await page.getByRole("button", { name: "Show" }).click();
    assert.equal(await page.locator("tbody tr").count(), 0, "what is called so is not what it says");
    await page.getByLabel("Text in the order").fill(order.receipt_url);
    await page.getByRole("button", { name: "Show" }).click();
    assert.equal(await page.locator("tbody tr").count(), 1);
    await page.getByRole("link", { name: "mycashflow/acme/order/1", exact: true }).click();
    const told = await page.locator("table").first().innerText();
    for (const what of ["received", "recorded", "published", "dispatched", "deliver"]) assert.match(told, new RegExp(what));
    assert.deepEqual(await axeFinds(page), []);
    const csv = await page.request.get(`${url}/orders.csv`);
    assert.match(await csv.text(), /^recorded_at,connection,document/);
  },

  async "personal data is hidden until it is asked for"({ page, url }) {
    await page.goto(`${url}/document?id=mycashflow/acme/order/1`);
    assert.equal(await page.locator("pre").count(), 0);
    assert.doesNotMatch(await page.content(), /customer_information/);
    await page.getByRole("button", { name: "Show the contents" }).click();
    assert.match(await page.locator("pre").innerText(), /customer_information/);
    assert.deepEqual(await axeFinds(page), []);
  },

  async "a form without the page's own token changes nothing"({ page, url }) {
    for (const path of ["/do/reveal", "/do/dismiss", "/do/retry", "/do/replay", "/do/compare"]) {
      const answer = await page.request.post(url + path, { form: { id: "mycashflow/acme/order/1", kind: "quarantine" } });
      assert.equal(answer.status(), 403, path);
    }
  },

  async "what is in quarantine is tried again, and dismissed"({ page, url }) {
    await page.goto(`${url}/problems`);
    const row = page.locator("tr", { hasText: "quarantine" });
    assert.equal(await row.count(), 1);
    await row.getByRole("button", { name: "Try again" }).click();
    assert.match(await page.getByRole("status").innerText(), /unreadable/);
    await page.locator("tr", { hasText: "quarantine" }).getByRole("button", { name: "Dismiss" }).click();
    assert.match(await page.getByRole("status").innerText(), /dismissed/);
    assert.equal(await page.locator("tr", { hasText: "retry quarantine" }).count(), 0);
  },

  async "a document is published again, asked for, and a shop is tested"({ page, url, events }) {
    const id = "mycashflow/acme/order/4";
    const published = async () => (await events()).filter((event) => event.detail.id === `${id}/1`).length;
    const before = await published();
    await page.goto(`${url}/document?id=${id}`);
    await page.getByRole("button", { name: "Publish again" }).click();
    await until("the event", async () => (await published()) > before);
    await page.getByRole("button", { name: "Ask the shop for it" }).click();
    assert.match(await page.locator("table").first().innerText(), /refresh/);
    await page.goto(`${url}/connections`);
    await page.getByRole("button", { name: "Ask the shop now" }).click();
    assert.match(await page.getByRole("status").innerText(), /mycashflow\/acme answers/);
  },

  async "what arrives is shown without a reload"({ page, url }) {
    await page.goto(`${url}/`);
    await post(`${url}/shops/acme/orders`);
    await until("the order", async () => /order\/10\b/.test(await page.locator("#live").innerText()));
  },

  async "a shop is compared with the ledger both ways, and what is missing is recorded"({ page, url }) {
    await post(`${url}/shops/acme/orders?via=api`);
    await page.goto(`${url}/compare`);
    assert.equal(await page.locator("table").count(), 0, "no shop is asked before somebody wants it");
    await page.getByRole("button", { name: "Compare" }).click();
    const row = (what) => page.locator("tr", { hasText: what });
    assert.match(await row("missing in the ledger").innerText(), /order\/11\b/);
    assert.match(await row("cannot be read").innerText(), /order\/2\b/);
    assert.match(await row("only in the ledger").innerText(), /order\/999\b/);
    assert.deepEqual(await axeFinds(page), []);
    await page.getByRole("button", { name: "Record what is missing" }).click();
    assert.match(await page.getByRole("status").first().innerText(), /Recorded: [1-9]/);
    assert.equal(await row("missing in the ledger").count(), 0);
    await page.getByRole("link", { name: "mycashflow/acme/order/999" }).click();
    assert.match(await page.locator("table").first().innerText(), /received/);
  },

  async "a day that nobody looked into is not called complete"({ page, url }) {
    await page.goto(`${url}/completeness`);
    const days = page.locator("section", { hasText: "mycashflow/acme" }).locator(".days > li");
    assert.equal(await days.count(), 35);
    const told = await days.last().innerText();
    assert.match(told, /not known/);
    assert.match(told, /the shop was not asked/);
    assert.match(await days.first().innerText(), /sent to us: \d+/);
  },

  async "it is used with the keyboard alone"({ page, url }) {
    await page.goto(`${url}/`);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "content");
    await page.goto(`${url}/`);
    for (let tabs = 0; tabs < 10; tabs++) {
      await page.keyboard.press("Tab");
      if ((await page.evaluate(() => document.activeElement.textContent)) === "Problems") break;
    }
    await page.keyboard.press("Enter");
    await page.waitForURL("**/problems");
  },

  async "it fits a telephone of 380 pixels"({ page, url }) {
    await page.setViewportSize({ width: 380, height: 800 });
    for (const [path] of pages) {
      await page.goto(url + path);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= 380, `${path} is ${wide} pixels wide`);
    }
    await page.setViewportSize({ width: 1280, height: 800 });
  },

  async "without --allow-actions it only shows"({ url, browser, programs }) {
    const { child, line } = start("tilaussilta", [`--sandbox=${url}`, "console", "--port", "0"]);
    programs.push(child);
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(await line);
    assert.equal(await page.locator("h1").textContent(), "Today");
    const own = new URL(page.url()).origin;
    await page.goto(`${own}/document?id=mycashflow/acme/order/1`);
    assert.equal(await page.getByRole("button").count(), 1, "only the contents can be asked for");
    await page.goto(`${own}/compare?connection=mycashflow/acme`);
    assert.ok((await page.locator("h1").textContent()) === "Compare" && (await page.locator("form.inline").count()) === 0);
    await page.goto(`${own}/document?id=mycashflow/acme/order/1`);
    const csrf = await page.locator("input[name=csrf]").first().getAttribute("value");
    const answer = await page.request.post(`${own}/do/replay`, { form: { csrf, id: "mycashflow/acme/order/1" } });
    assert.equal(answer.status(), 403);
    await context.close();
  },
};

async function takeScreenshots({ page, browser, url, token }) {
  mkdirSync(screenshots, { recursive: true });
  const shots = [["today", "/"], ["orders", "/orders"], ["timeline", "/document?id=mycashflow/acme/order/1"], ["problems", "/problems"]];
  for (const [name, path] of shots) {
    await page.goto(`${url}${path}`);
    await page.screenshot({ path: join(screenshots, `${name}.png`) });
  }
  const context = await browser.newContext({ locale: "fi-FI", colorScheme: "dark", viewport: { width: 380, height: 800 } });
  const phone = await context.newPage();
  await phone.goto(`${url}/?token=${token}`);
  await phone.screenshot({ path: join(screenshots, "phone.png") });
  await context.close();
}

const programs = [];
let failed = 0;
try {
  const args = ["serve", "--json", "--port", "0", "--every", "0", "--with-parent", "--events", "events.jsonl"];
  const { child, line } = start("sandbox", args);
  programs.push(child);
  const { url, console: address } = JSON.parse(await line);
  const token = new URL(address).searchParams.get("token");
  await makeADay(url);
  const events = async () => readFileSync(join(folder, "events.jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line));
  await until("the delivery", async () => {
    const order = await (await fetch(`${url}/shops/acme/mails`)).json();
    return order.length > 0;
  });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox"],
  });
  const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  await page.goto(`${url}/?token=${token}`);
  const given = { browser, page, url, token, events, programs };
  if (screenshots) await takeScreenshots(given);
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test(given);
      console.log(`ok    ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL  ${name}\n${error.stack}`);
    }
  }
  await browser.close();
} finally {
  for (const program of programs) program.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
console.log(`console-test: ${Object.keys(tests).length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
