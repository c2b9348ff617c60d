// The TypeScript declarations and the published schemas, used as a consumer in Node uses them.

import assert from "node:assert";
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
const read = (path) => JSON.parse(readFileSync(join(root, path), "utf8"));

const examples = readdirSync(join(root, "shared/events/examples")).flatMap((name) =>
  readdirSync(join(root, "shared/events/examples", name)).map((file) => ({
    name,
    place: `${name}/${file}`,
    event: read(`shared/events/examples/${name}/${file}`),
  })),
);
assert(examples.length > 30);

/** A copy with a field more in every object that has fields of the contract. */
function withMore(value) {
  if (Array.isArray(value)) return value.map(withMore);
  if (value === null || typeof value !== "object") return value;
  const fields = Object.entries(value).map(([name, inner]) => [
    name,
    name === "document" || name === "attributes" ? inner : withMore(inner),
  ]);
  return { ...Object.fromEntries(fields), added_later: { any: "thing" } };
}

// As strict as it is by default, but for types that a part of a schema leaves to another part.
const ajv = new Ajv2020({ allErrors: true, strictTypes: false });
addFormats(ajv);
for (const { name, place, event } of examples) {
  const valid = ajv.getSchema(name) ?? ajv.addSchema(read(`shared/events/schema/${name}.schema.json`), name).getSchema(name);
  for (const detail of [event.detail, withMore(event.detail)]) {
    assert(valid(detail), `${place}: ${ajv.errorsText(valid.errors)}`);
  }
  const { revision, ...removed } = event.detail;
  assert(!valid(removed), `${place} is valid without its revision ${revision}`);
}
console.log(`types-test: ajv takes ${examples.length} examples with further fields`);

/** What the compiler says of a program over the declarations. */
function compile(program) {
  const folder = mkdtempSync(join(tmpdir(), "tilaussilta-types-"));
  try {
    cpSync(join(root, "types/typescript/index.d.ts"), join(folder, "events.d.ts"));
    writeFileSync(join(folder, "program.ts"), program);
    const tsc = join(here, "node_modules/typescript/bin/tsc");
    execFileSync(process.execPath, [tsc, "--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "program.ts"], {
      cwd: folder,
      encoding: "utf8",
    });
    return "";
  } catch (error) {
    return error.stdout || String(error);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const importing = 'import type { TilaussiltaEvent } from "./events.js";\n';
const all = examples.map(({ event }) => JSON.stringify(event)).join(",\n");
const reading = `
export const paid = (event: TilaussiltaEvent): boolean =>
  event["detail-type"] === "order.updated" &&
  event.detail.previous?.payment_status !== "Paid" &&
  event.detail.order?.payments?.[0]?.status === "Paid";
`;
// A literal may have no field that the declarations do not know.
assert.equal(compile(`${importing}export const events: TilaussiltaEvent[] = [${all}];\n${reading}`), "");
for (const wrong of ["event.detail.order.payments", "event.detail.previous.status", "event.detail.changed"]) {
  const program = `${importing}export const wrong = (event: TilaussiltaEvent) =>\n  event["detail-type"] === "order.updated" && ${wrong};\n`;
  assert.notEqual(compile(program), "", `${wrong} compiles`);
}
console.log(`types-test: tsc takes ${examples.length} examples as the declared types`);
