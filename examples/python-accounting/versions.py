"""Which revision of an order the accounting system has, and who may write it now."""

import time
import uuid

import boto3

# Longer than the function may run (30 s): who held it is dead by then, and what it sent has arrived or is lost.
LEASE_SECONDS = 120
ME = uuid.uuid4().hex


class Versions:
    def __init__(self, table_name):
        self.table = boto3.resource("dynamodb").Table(table_name)

    def begin(self, reference, revision):
        """Closes an order to all others, unless it has this revision already.

        Fails while another invocation writes the order; the event comes again then.
        """
        now = int(time.time())
        item = self.update(
            reference,
            "SET busy_until = :until, holder = :me",
            "attribute_not_exists(busy_until) OR busy_until < :now",
            {":until": now + LEASE_SECONDS, ":now": now, ":me": ME},
        )
        if item.get("revision", 0) < revision:
            return True
        self.give_up(reference)
        return False

    def finish(self, reference, revision):
        change = "SET revision = :revision REMOVE busy_until, holder"
        self.update(reference, change, "holder = :me", {":revision": revision, ":me": ME})

    def give_up(self, reference):
        self.update(reference, "REMOVE busy_until, holder", "holder = :me", {":me": ME})

    def update(self, reference, change, condition, values):
        return self.table.update_item(
            Key={"id": f"order#{reference}"},
            UpdateExpression=change,
            ConditionExpression=condition,
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
        )["Attributes"]
