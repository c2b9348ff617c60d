"""The backfill as one would plainly write it in Python: requests, lxml and boto3, batch-checked, with 16 threads.

    backfill.py SHOP_URL KEY FROM_SECONDS ROOTS_PEM

It does what the poller's backfill does where nothing fails: asks for page after page of 100 orders, checks each page's heads with one
call, writes what is new as a head and a revision in one conditional transaction, and continues from the last order's time. It knows no
crowded second, no quarantine, no gap and no lease.
"""

import json
import os
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import boto3
import requests
from botocore.config import Config
from lxml import etree
from orders import content_hash, values

TABLE = os.environ["TABLE_NAME"]
RETENTION_SECONDS = 400 * 24 * 60 * 60
THREADS = 16

dynamodb = boto3.client("dynamodb", config=Config(max_pool_connections=THREADS))


def heads(keys: list[str]) -> dict[str, dict]:
    """The heads of these documents, those that there are."""
    found: dict[str, dict] = {}
    asked = {TABLE: {"Keys": [{"pk": {"S": key}, "sk": {"S": "head"}} for key in keys], "ConsistentRead": True}}
    while asked:
        page = dynamodb.batch_get_item(RequestItems=asked)
        found.update((item["pk"]["S"], item) for item in page["Responses"].get(TABLE, []))
        asked = page.get("UnprocessedKeys")
    return found


def append(key: str, order_hash: str, body: bytes, head: dict | None) -> None:
    """Writes a new revision and moves the head to it, if the head is still as it was read."""
    now_ms = int(time.time() * 1000)
    revision = int(head["revision"]["N"]) + 1 if head else 1
    common = {
        "pk": {"S": key},
        "revision": {"N": str(revision)},
        "hash": {"S": order_hash},
        "source": {"S": "backfill"},
        "observed_at": {"N": str(now_ms)},
    }
    put_head: dict = {"TableName": TABLE, "Item": common | {"sk": {"S": "head"}, "first_seen": {"N": str(now_ms)}}}
    if head:
        put_head |= {"ConditionExpression": "revision = :read", "ExpressionAttributeValues": {":read": head["revision"]}}
    else:
        put_head |= {"ConditionExpression": "attribute_not_exists(pk)"}
    put_revision = {
        "TableName": TABLE,
        "Item": common
        | {
            "sk": {"S": f"rev#{revision:08}"},
            "recorded_at": {"N": str(now_ms)},
            "expires_at": {"N": str(now_ms // 1000 + RETENTION_SECONDS)},
            "content_type": {"S": "application/xml; charset=utf-8"},
            "body": {"B": zlib.compress(body)},
        },
    }
    dynamodb.transact_write_items(TransactItems=[{"Put": put_head}, {"Put": put_revision}])


def main(shop_url: str, key: str, since: str, roots: str) -> None:
    session = requests.Session()
    session.verify = roots
    position, seen, new, pages = int(since), 0, 0, 0
    with ThreadPoolExecutor(THREADS) as pool:
        while True:
            answer = session.get(f"{shop_url}/webhooks/changes", params={"created_after_ts": position, "key": key})
            answer.raise_for_status()
            pages += 1
            copies = []
            for element in etree.fromstring(answer.content).findall("Order"):
                order = values(element)
                body = etree.tostring(element, encoding="utf-8")
                copies.append((int(order["OrderedAt"]["@timestamp"]), f"mycashflow#acme#order#{order['@id']}", content_hash(order), body))
            copies.sort(key=lambda copy: copy[0])
            known = heads([copy[1] for copy in copies]) if copies else {}
            changed = [copy for copy in copies if copy[1] not in known or known[copy[1]]["hash"]["S"] != copy[2]]
            for written in [pool.submit(append, copy[1], copy[2], copy[3], known.get(copy[1])) for copy in changed]:
                written.result()
            seen, new = seen + len(copies), new + len(changed)
            if len(copies) < 100 or copies[-1][0] <= position:
                break
            position = copies[-1][0]
    print(json.dumps({"orders": seen, "new": new, "pages": pages}))


main(*sys.argv[1:])
