// Orders from a queue into CSV files on S3, one for each day.
//
// S3 cannot append, so a file is read, changed and written whole. Each write has a condition: the file is still the one
// that was read (If-Match), or there is still none (If-None-Match). Of two writers at once one is refused, and starts
// over from the other's file. Without the condition it would write over the other's lines.
import { setTimeout as pause } from "node:timers/promises";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { fileOf, lineOf, merge } from "./csv.mjs";

const Bucket = process.env.BUCKET;
const s3 = new S3Client({});
const TRIES = 10;

/** Handles a batch of SQS: one write for each day in it. What fails is handed over again. */
export async function handler({ Records }) {
  const failed = new Set();
  const fail = (record, error) => {
    // A parser quotes what it cannot read, and that is personal data.
    console.error(`message ${record.messageId}: ${error instanceof SyntaxError ? "unreadable" : error.message}`);
    failed.add(record.messageId);
  };
  const files = new Map();
  for (const record of Records) {
    try {
      const { detail } = JSON.parse(record.body);
      const file = fileOf(detail);
      const line = lineOf(detail);
      files.set(file, [...(files.get(file) ?? []), { record, line }]);
    } catch (error) {
      fail(record, error);
    }
  }
  for (const [file, entries] of files) {
    try {
      await update(file, entries.map((entry) => entry.line));
    } catch (error) {
      for (const { record } of entries) fail(record, error);
    }
  }
  return { batchItemFailures: [...failed].map((itemIdentifier) => ({ itemIdentifier })) };
}

async function update(Key, lines) {
  for (let attempt = 1; ; attempt++) {
    const { text, condition } = await read(Key);
    const Body = merge(text, lines);
    if (Body === text) return; // Repeats and older revisions only.
    try {
      await s3.send(new PutObjectCommand({ Bucket, Key, Body, ContentType: "text/csv; charset=utf-8", ...condition }));
      return;
    } catch (error) {
      // Somebody wrote (412), writes (409), or deleted the file (404) since it was read.
      const raced = [404, 409, 412].includes(error.$metadata?.httpStatusCode) && error.name !== "NoSuchBucket";
      if (!raced || attempt === TRIES) throw error;
      await pause(Math.random() * 50 * attempt);
    }
  }
}

async function read(Key) {
  try {
    const object = await s3.send(new GetObjectCommand({ Bucket, Key }));
    return { text: await object.Body.transformToString(), condition: { IfMatch: object.ETag } };
  } catch (error) {
    if (error.name !== "NoSuchKey") throw error;
    return { text: "", condition: { IfNoneMatch: "*" } };
  }
}
