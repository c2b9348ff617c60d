"""Keeps the invoices of an accounting system in step with the shop's orders: a queue of events in, one PUT each.

Powertools' idempotency drops repeats by the event's id. It cannot tell old from new, and most accounting systems
cannot either. So `versions` lets one invocation at a time write an order, and no revision lower than the last.
"""

import json
import os
import urllib.error
import urllib.parse
import urllib.request

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)

from invoice import invoice
from versions import Versions

TIMEOUT_SECONDS = 10

logger = Logger()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
versions = Versions(os.environ["TABLE_NAME"])
# As long as SQS can hold an event. The table keeps the function's answer, a word, and nothing of the order.
config = IdempotencyConfig(
    event_key_jmespath="id", raise_on_no_idempotency_key=True, expires_after_seconds=14 * 24 * 3600
)


def handler(event, context):
    config.register_lambda_context(context)
    return process_partial_response(event=event, record_handler=handle_record, processor=processor, context=context)


def handle_record(record):
    try:
        detail = json.loads(record.body)["detail"]
        outcome = handle(detail=detail)
    except Exception as error:
        # Only the kind of the error: its text can quote the order. The message comes again.
        logger.warning("an event was not handled", extra={"message": record.message_id, "error": type(error).__name__})
        raise
    logger.info("handled an event", extra={"event": detail["id"], "outcome": outcome})


@idempotent_function(
    data_keyword_argument="detail",
    config=config,
    persistence_store=DynamoDBPersistenceLayer(table_name=os.environ["TABLE_NAME"]),
)
def handle(detail):
    if "order" not in detail:
        raise Truncated(detail["id"])
    reference = detail["id"].rpartition("/")[0]
    if not versions.begin(reference, detail["revision"]):
        return "older"
    try:
        put(reference, detail)
    except urllib.error.HTTPError:
        # The system has answered, so nothing is on its way any more. After a time-out something may be, and the order
        # stays closed until that is over.
        versions.give_up(reference)
        raise
    versions.finish(reference, detail["revision"])
    return "written"


def put(reference, detail):
    request = urllib.request.Request(
        f"{os.environ['API_URL']}/invoices/{urllib.parse.quote(reference, safe='')}",
        data=json.dumps(invoice(reference, detail["order"])).encode(),
        method="PUT",
        headers={
            "Authorization": f"Bearer {parameters.get_secret(os.environ['API_TOKEN_SECRET'], max_age=300)}",
            "Content-Type": "application/json",
            "Idempotency-Key": detail["id"],
        },
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):
        pass


class Truncated(Exception):
    """The event came without its order, which is to be read from the ledger."""
