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

    def webhook(number: int, lines: int = 1) -> dict:
        message = {"id": number, "number": f"MT-{number}", "customer": {"name": "Lumivälke Oy"}}
        # Digests, because what is alike would be stored compressed to nothing.
        message["rows"] = [{"id": line, "name": hashlib.md5(f"{number}/{line}".encode()).hexdigest()} for line in range(lines)]
        body = json.dumps(message, ensure_ascii=False)
        signed = body + cloud.connections["manu"]["acme"]["secrets"][0]
        code = hashlib.md5(signed.encode("ascii", "replace")).hexdigest()
        headers = {"content-type": "application/json; charset=utf-8", "manu-md5-verifycode": code}
        return function_url("/manu/acme/sales-order-activate", {}, headers, body)

    def stream(number: int) -> dict:
        event = (ROOT / "events/event-relay/stream.json").read_text()
        return json.loads(event.replace("item-save#4711", f"item-save#{number}"))

    def action(number: int, **action: object) -> dict:
        event = json.loads((ROOT / "events/shop-actions/queue.json").read_text())
        body = json.dumps({"id": f"bench-{number}", "shop": "acme"} | action)
        return event | {"Records": [event["Records"][0] | {"body": body}]}

    return {
        "mycashflow-order": order,
        "manu-listener": webhook,
        "changes-poller": lambda number: {},
        "event-relay": stream,
        "shop-actions": lambda number: action(number, action="add_comment", order=1, message="Matkalla"),
        "a large webhook": lambda number: webhook(number, lines=40),
        "a delivery": lambda number: action(number, action="deliver", order=1 + number % 50),
    }
