// The order listener as one would plainly write it in JavaScript: Powertools for AWS Lambda, fast-xml-parser and the AWS SDK,
// bundled by esbuild as their documentation advises.
//
// It does less than mycashflow-order: it looks for the key in one place, knows no older and newer copy, keeps no quarantine and
// writes no delivery log. Clients are made once, at import, and one DynamoDB client serves Powertools and the handler.

import { createHash, timingSafeEqual } from 'node:crypto';
import { deflateSync } from 'node:zlib';

import { IdempotencyConfig, makeIdempotent } from '@aws-lambda-powertools/idempotency';
import { DynamoDBPersistenceLayer } from '@aws-lambda-powertools/idempotency/dynamodb';
import { getSecret } from '@aws-lambda-powertools/parameters/secrets';
import { DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { XMLParser, XMLValidator } from 'fast-xml-parser';

const { TABLE_NAME, CONNECTIONS_SECRET } = process.env;
const RETENTION_SECONDS = 400 * 24 * 60 * 60;

const dynamodb = new DynamoDBClient({});
const config = new IdempotencyConfig({ eventKeyJmesPath: '[id, hash]', expiresAfterSeconds: RETENTION_SECONDS });
const persistenceStore = new DynamoDBPersistenceLayer({
  tableName: TABLE_NAME,
  keyAttr: 'pk',
  sortKeyAttr: 'sk',
  expiryAttr: 'expires_at',
  awsSdkV3Client: dynamodb,
});
const parser = new XMLParser({ ignoreAttributes: false, parseTagValue: false });
const connections = () => getSecret(CONNECTIONS_SECRET, { transform: 'json', maxAge: 300 });
// As part of the start, like the other listeners.
const started = connections();

/** JSON with the names of every object in order. */
const canonical = (value) =>
  JSON.stringify(value, (_, inner) =>
    inner && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );

/** Writes a version of an order; Powertools sees to it that each is written once. */
const record = makeIdempotent(
  async (order, body) => {
    const now = Math.floor(Date.now() / 1000);
    await dynamodb.send(
      new PutItemCommand({
        TableName: TABLE_NAME,
        Item: {
          pk: { S: `mycashflow#acme#order#${order.id}` },
          sk: { S: `rev#${order.hash}` },
          hash: { S: order.hash },
          recorded_at: { N: `${now}` },
          expires_at: { N: `${now + RETENTION_SECONDS}` },
          body: { B: deflateSync(body) },
        },
      }),
    );
    return { recorded: order.id };
  },
  { persistenceStore, config, dataIndexArgument: 0 },
);

const answer = (statusCode, text) => ({
  statusCode,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body: `${text}\n`,
});

const same = (one, other) => {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
};

/** Answers a request of a function URL. */
export const handler = async (event, context) => {
  config.registerLambdaContext(context);
  await started;
  const [system, name, kind, ...rest] = event.rawPath.replace(/^\/|\/$/g, '').split('/');
  if (system !== 'mycashflow' || kind !== 'orders' || rest.length > 0) return answer(404, 'no such address');
  if (event.requestContext.http.method !== 'POST') return answer(405, 'orders are sent with POST');
  const shop = (await connections()).shops[name];
  const key = event.queryStringParameters?.key ?? '';
  if (!shop?.push_keys.some((valid) => same(key, valid))) {
    return answer(401, 'the key is missing or wrong, or there is no such shop');
  }
  const body = event.isBase64Encoded ? Buffer.from(event.body, 'base64') : Buffer.from(event.body);
  const text = body.toString();
  if (XMLValidator.validate(text) !== true) return answer(400, 'not readable');
  const document = parser.parse(text);
  const orders = [document.Order ?? document.Orders?.Order ?? []].flat();
  if (orders.length === 0) return answer(422, 'there is no order in the document');
  for (const order of orders) {
    const hash = createHash('sha256').update(canonical(order)).digest('hex');
    await record({ id: order['@_id'], hash }, body);
  }
  return answer(200, 'recorded');
};
