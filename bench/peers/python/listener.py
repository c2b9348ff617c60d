"""The order listener as one would plainly write it in Python: Powertools for AWS Lambda, lxml and boto3.

It does less than mycashflow-order: it looks for the key in one place, knows no older and newer copy, keeps no quarantine and writes
no delivery log. Clients are made once, at import, and one DynamoDB client serves Powertools and the handler.
"""

import base64
import hmac
import os
import time
import zlib

import boto3
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig, idempotent_function
from lxml import etree
from orders import content_hash, values

TABLE = os.environ["TABLE_NAME"]
SECRET = os.environ["CONNECTIONS_SECRET"]
RETENTION_SECONDS = 400 * 24 * 60 * 60

dynamodb = boto3.client("dynamodb")
config = IdempotencyConfig(event_key_jmespath="[id, hash]", expires_after_seconds=RETENTION_SECONDS)
store = DynamoDBPersistenceLayer(
    table_name=TABLE, key_attr="pk", sort_key_attr="sk", expiry_attr="expires_at", boto3_client=dynamodb
)
# As part of the start, like the other listeners.
parameters.get_secret(SECRET, transform="json", max_age=300)


@idempotent_function(data_keyword_argument="order", persistence_store=store, config=config)
def record(order: dict, body: bytes) -> dict:
    """Writes a version of an order; Powertools sees to it that each is written once."""
    now = int(time.time())
    dynamodb.put_item(
        TableName=TABLE,
        Item={
            "pk": {"S": f"mycashflow#acme#order#{order['id']}"},
            "sk": {"S": f"rev#{order['hash']}"},
            "hash": {"S": order["hash"]},
            "recorded_at": {"N": str(now)},
            "expires_at": {"N": str(now + RETENTION_SECONDS)},
            "body": {"B": zlib.compress(body)},
        },
    )
    return {"recorded": order["id"]}


def answer(status: int, text: str) -> dict:
    return {"statusCode": status, "headers": {"content-type": "text/plain; charset=utf-8"}, "body": text + "\n"}


def handler(event: dict, context: object) -> dict:
    """Answers a request of a function URL."""
    config.register_lambda_context(context)
    segments = event["rawPath"].strip("/").split("/")
    if len(segments) != 3 or segments[0] != "mycashflow" or segments[2] != "orders":
        return answer(404, "no such address")
    if event["requestContext"]["http"]["method"] != "POST":
        return answer(405, "orders are sent with POST")
    connections = parameters.get_secret(SECRET, transform="json", max_age=300)
    shop = connections["shops"].get(segments[1])
    key = event.get("queryStringParameters", {}).get("key", "")
    if shop is None or not any(hmac.compare_digest(key.encode(), valid.encode()) for valid in shop["push_keys"]):
        return answer(401, "the key is missing or wrong, or there is no such shop")
    body = base64.b64decode(event["body"]) if event.get("isBase64Encoded") else event["body"].encode()
    try:
        root = etree.fromstring(body)
    except etree.XMLSyntaxError as error:
        return answer(400, f"not readable: {error}")
    elements = [root] if root.tag == "Order" else root.findall("Order")
    if not elements:
        return answer(422, "there is no order in the document")
    for element in elements:
        order = values(element)
        record(order={"id": order["@id"], "hash": content_hash(order)}, body=body)
    return answer(200, "recorded")
