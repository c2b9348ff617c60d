"""MiniStack, with what its CloudFormation lacks for template.yaml, so that the template is deployed as it is.

- It does not know `AWS::Events::Archive`. Its EventBridge does know archives, so the resource is made there.
- A `!Ref` of a secret is its name there, and its ARN in AWS. Policies name a secret by its ARN.
- It takes the bus that `DescribeEventBus` names for a rule, and looks for a permission to that.
- It has no alarms on metric math. Such an alarm is made there on the first of its metrics: it exists, and never goes off
  as it would in AWS.
- It knows API destinations and their connections, but not as resources of CloudFormation (examples/api-destination).
- It is reached over plain HTTP, which the queues refuse. What AWS gets by TLS is marked so here. Whoever sends the header
  `x-forwarded-proto: http` is refused.
"""

import contextvars
import json

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.services import eventbridge, secretsmanager
from ministack.services.cloudformation import provisioners

HANDLERS = provisioners._RESOURCE_HANDLERS
ARCHIVE = "AWS::Events::Archive"
SECRET = "AWS::SecretsManager::Secret"
CONNECTION = "AWS::Events::Connection"
DESTINATION = "AWS::Events::ApiDestination"


def call(operation, **request):
    status, _, body = operation(request)
    if status != 200:
        raise ValueError(f"{ARCHIVE}: {body}")


def archive_settings(properties):
    return {
        "Description": properties.get("Description", ""),
        "EventPattern": properties.get("EventPattern", ""),
        "RetentionDays": int(properties.get("RetentionDays", 0)),
    }


def made_archive(name):
    return name, {"Arn": eventbridge._archives[name]["ArchiveArn"], "ArchiveName": name}


def create_archive(logical_id, properties, stack_name):
    name = properties.get("ArchiveName") or provisioners._physical_name(stack_name, logical_id, max_len=48)
    source = {"ArchiveName": name, "EventSourceArn": properties["SourceArn"]}
    call(eventbridge._create_archive, **source, **archive_settings(properties))
    return made_archive(name)


def update_archive(name, _old, properties, _stack_name):
    call(eventbridge._update_archive, ArchiveName=name, **archive_settings(properties))
    return made_archive(name)


def delete_archive(name, _properties):
    if name in eventbridge._archives:
        call(eventbridge._delete_archive, ArchiveName=name)


def named_resource(kind, create_operation, delete_operation):
    """The handlers of a resource that EventBridge makes by name, with an ARN as its only attribute."""

    def create(logical_id, properties, stack_name):
        name = properties.get("Name") or provisioners._physical_name(stack_name, logical_id, max_len=64)
        status, _, body = create_operation(properties | {"Name": name})
        if status != 200:
            raise ValueError(f"{kind}: {body}")
        return name, {"Arn": next(value for key, value in json.loads(body).items() if key.endswith("Arn"))}

    def delete(name, _properties):
        delete_operation({"Name": name})

    return {"create": create, "delete": delete}


def secrets_by_arn(original):
    """A secret's handlers, with its ARN in the place of its name."""

    def name(arn):
        return secretsmanager._resolve(arn)[0] or arn

    def create(*arguments):
        _, attributes = original["create"](*arguments)
        return attributes["Arn"], attributes

    def update(arn, *arguments, **more):
        _, attributes = original["update"](name(arn), *arguments, **more)
        return attributes["Arn"], attributes

    def delete(arn, properties):
        original["delete"](name(arn), properties)

    return original | {"create": create, "update": update, "delete": delete}


def buses_by_name(original):
    """What finds the buses that a request is about: also the one that a request names, and nothing but that."""

    def buses(body, region, account):
        found = original(body, region, account)
        try:
            request = json.loads(body or b"{}")
        except ValueError:
            return found
        if found or not isinstance(request, dict) or list(request) != ["Name"]:
            return found
        return [f"arn:aws:events:{region}:{account}:event-bus/{request['Name']}"]

    return buses


def alarm_of_first_metric(original):
    """What makes an alarm's record, which takes an alarm on metric math for one on its first metric."""

    def record(name, properties):
        if properties.get("Metrics"):
            stat = next(metric["MetricStat"] for metric in properties["Metrics"] if "MetricStat" in metric)
            metric = {key: stat["Metric"][key] for key in ("MetricName", "Namespace")}
            others = {key: value for key, value in properties.items() if key != "Metrics"}
            properties = others | metric | {"Period": stat["Period"], "Statistic": stat["Stat"]}
            print(f"gap: the alarm {name} on metric math is made on its first metric only", flush=True)
        return original(name, properties)

    return record


def by_tls(original):
    """The emulator, to which every request comes by TLS, unless it says that it does not."""

    async def answer(scope, receive, send):
        if scope["type"] == "http" and not any(name == b"x-forwarded-proto" for name, _ in scope["headers"]):
            scope = scope | {"headers": [*scope["headers"], (b"x-forwarded-proto", b"https")]}
        await original(scope, receive, send)

    return answer


if __name__ == "__main__":
    # Should a later version know the resource, this stops, so that nobody goes on making up for what is there.
    for kind in (ARCHIVE, CONNECTION, DESTINATION):
        if kind in HANDLERS:
            raise SystemExit(f"MiniStack knows {kind} by now: take it out of tests/deploy/emulator.py")
    connection = eventbridge._create_connection, eventbridge._delete_connection
    HANDLERS[CONNECTION] = named_resource(CONNECTION, *connection)
    destination = eventbridge._create_api_destination, eventbridge._delete_api_destination
    HANDLERS[DESTINATION] = named_resource(DESTINATION, *destination)
    HANDLERS[ARCHIVE] = {"create": create_archive, "update": update_archive, "delete": delete_archive}
    HANDLERS[SECRET] = secrets_by_arn(HANDLERS[SECRET])
    iam_actions.eventbridge_resource_arns = buses_by_name(iam_actions.eventbridge_resource_arns)
    provisioners._cw_metric_alarm_record = alarm_of_first_metric(provisioners._cw_metric_alarm_record)
    app.app = by_tls(app.app)
    # What no request began: the schedule, the rules, the stream.
    iam_evaluator._request_origin = contextvars.ContextVar("origin", default=("127.0.0.1", True))
    app.main()
