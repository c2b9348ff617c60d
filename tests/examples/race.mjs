// Several copies of the CSV function at once on one file, each with an order of its own: none may lose its line.
import { readFileSync } from "node:fs";

const [, , folder, events] = process.argv;
const { handler } = await import(`${folder}/index.mjs`);
const messages = JSON.parse(readFileSync(events)).map((body, index) => ({ messageId: `${index}`, body }));
const answers = await Promise.all(messages.map((message) => handler({ Records: [message] })));
const failed = answers.flatMap((answer) => answer.batchItemFailures);
if (failed.length) throw new Error(`${failed.length} of ${messages.length} failed`);
