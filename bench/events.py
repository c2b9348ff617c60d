"""The events that functions are measured with, each with a document of a given number."""

import hashlib
import json
from collections.abc import Callable

from lambdas import ROOT, Cloud


def function_url(path: str, query: dict[str, str], headers: dict[str, str], body: str) -> dict:
    """A request as a function URL hands it over: an event fixture with another path, query and body."""
    event = json.loads((ROOT / "events/mycashflow-order/valid.json").read_text())
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["rawQueryString"] = "&".join(f"{name}={value}" for name, value in query.items())
    event["queryStringParameters"] = query
    event["headers"] |= headers
    event["body"] = body
    return event


def events(cloud: Cloud) -> dict[str, Callable[[int], object]]:
    """By the function's name: an event with the document of a number."""
    # The shop's third order, about 4 KB as most are.
    key = cloud.connections["shops"]["acme"]["key"]
    sample = cloud.get(f"/shops/acme/webhooks/get?order=3&key={key}").decode()
    assert sample.count('<Order id="3"') == 1, "the sample is one order"

    def order(number: int) -> dict:
        body = sample.replace('<Order id="3"', f'<Order id="{number}"')
        query = {"key": cloud.connections["shops"]["acme"]["push_keys"][0]}
        return function_url("/mycashflow/acme/orders", query, {"content-type": "text/xml; charset=utf-8"}, body)

    def webhook(number: int) -> dict:
        body = json.dumps({"id": number, "number": f"MT-{number}", "customer": {"name": "Lumivälke Oy"}}, ensure_ascii=False)
        signed = body + cloud.connections["manu"]["acme"]["secrets"][0]
        code = hashlib.md5(signed.encode("ascii", "replace")).hexdigest()
        headers = {"content-type": "application/json; charset=utf-8", "manu-md5-verifycode": code}
        return function_url("/manu/acme/sales-order-activate", {}, headers, body)

    def stream(number: int) -> dict:
        event = (ROOT / "events/event-relay/stream.json").read_text()
        return json.loads(event.replace("item-save#4711", f"item-save#{number}"))

    def comment(number: int) -> dict:
        event = json.loads((ROOT / "events/shop-actions/queue.json").read_text())
        action = {"id": f"bench-{number}", "shop": "acme", "action": "add_comment", "order": 1, "message": "Matkalla"}
        return event | {"Records": [event["Records"][0] | {"body": json.dumps(action)}]}

    return {
        "mycashflow-order": order,
        "manu-listener": webhook,
        "changes-poller": lambda number: {},
        "event-relay": stream,
        "shop-actions": comment,
    }
