"""Checks that the functions may do in DynamoDB, EventBridge and SQS what the code does there, and nothing else.

`make deploy-test` finds an action that is missing for what it does there; this finds what is missing for the rest, and
what is too much. A module of the ledger that only one function uses must be allowed to that function whole. The poller
uses all the others: its policy must name exactly the actions that they call. The policies of the other functions may
name fewer, but none beyond what the ledger's code calls. `event-read` may read single items and nothing else. In
EventBridge and SQS, a function may do exactly what its own code calls; in SQS also what Lambda does for it, with its
role, at the queue that it is mapped to.
"""

import re
import sys

from template import ROOT, load_template

# How the SDK spells each action, as a call of its own and as a part of a transaction, which IAM authorises alike.
CALLS = {
    "BatchGetItem": r"\.batch_get_item\(\)",
    "BatchWriteItem": r"\.batch_write_item\(\)",
    "ConditionCheckItem": r"\bConditionCheck::builder\(\)",
    "DeleteItem": r"\.delete_item\(\)|\bDelete::builder\(\)",
    "GetItem": r"\.get_item\(\)|\bGet::builder\(\)",
    "PutItem": r"\.put_item\(\)|\bPut::builder\(\)",
    "Query": r"\.query\(\)",
    "Scan": r"\.scan\(\)",
    "UpdateItem": r"\.update_item\(\)|\bUpdate::builder\(\)",
}


EVENT_CALLS = {"DescribeEventBus": r"\.describe_event_bus\(\)", "PutEvents": r"\.put_events\(\)"}

QUEUE_CALLS = {
    "ChangeMessageVisibility": r"\.change_message_visibility\(\)",
    "DeleteMessage": r"\.delete_message\(\)",
    "GetQueueAttributes": r"\.get_queue_attributes\(\)",
    "ReceiveMessage": r"\.receive_message\(\)",
    "SendMessage": r"\.send_message\(\)",
}
# What Lambda itself does with a function's role, to read the queue of its mapping.
MAPPED = {f"sqs:{action}" for action in ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage")}

# The modules of the ledger that only one function uses.
MODULES = {"EventRelayFunction": ["outbox.rs", "publications.rs"], "ShopActionsFunction": ["idempotency.rs"]}
# A module that several functions use, beside the poller.
SHARED = {"EventRelayFunction": ["batch_get.rs"]}
# What a function may do, of all services, where that is the point of it.
EXACTLY = {"EventReadFunction": {"dynamodb:GetItem"}}
# Those that are the operator's, with their own credentials. Functions use calls in them that they may make anyway: they
# look whether they are paused, write a line of the action log, and read the index.
OPERATOR = ["action_log.rs", "arrivals.rs", "audit.rs", "control.rs", "held.rs", "settle.rs"]
# What Lambda itself does with a function's role, to read the table's stream.
STREAM = {f"dynamodb:{action}" for action in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")}


def called_actions(wanted):
    sources = (ROOT / "shared/ledger/src").rglob("*.rs")
    code = "\n".join(path.read_text() for path in sources if path.name != "tests.rs" and wanted(path.name))
    return {f"dynamodb:{action}" for action, call in CALLS.items() if re.search(call, code)}


def called_of(function, service, calls):
    sources = (ROOT / function["Properties"]["CodeUri"] / "src").rglob("*.rs")
    code = "\n".join(path.read_text() for path in sources)
    return {f"{service}:{action}" for action, call in calls.items() if re.search(call, code)}


def mapped_functions(resources):
    """The functions to which Lambda brings the messages of a queue."""
    queues = {name for name, resource in resources.items() if resource["Type"] == "AWS::SQS::Queue"}
    mappings = [r["Properties"] for r in resources.values() if r["Type"] == "AWS::Lambda::EventSourceMapping"]
    return {mapping["FunctionName"] for mapping in mappings if mapping["EventSourceArn"].split(".")[0] in queues}


def allowed_actions(function, service):
    policies = function["Properties"]["Policies"]
    statements = [s for policy in policies for s in policy["Statement"] if s["Effect"] == "Allow"]
    actions = [s["Action"] if isinstance(s["Action"], list) else [s["Action"]] for s in statements]
    return {action for some in actions for action in some if action.startswith(f"{service}:" if service else "")}


def main():
    template = load_template()
    called = called_actions(lambda module: True)
    own = [module for modules in MODULES.values() for module in modules] + OPERATOR
    needed = {"ChangesPollerFunction": called_actions(lambda module: module not in own)}
    for name, modules in MODULES.items():
        needed[name] = called_actions(lambda module: module in modules + SHARED.get(name, []))
    mapped = mapped_functions(template["Resources"])
    problems = []
    for name, resource in template["Resources"].items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        of_queue = called_of(resource, "sqs", QUEUE_CALLS) | (MAPPED if name in mapped else set())
        for service, own_calls in (("events", called_of(resource, "events", EVENT_CALLS)), ("sqs", of_queue)):
            may = allowed_actions(resource, service)
            problems += [f"{name} may not {action}, which its code calls" for action in sorted(own_calls - may)]
            problems += [f"{name} may {action}, which its code never calls" for action in sorted(may - own_calls)]
        allowed = allowed_actions(resource, "dynamodb") - STREAM
        problems += [f"{name} may {action}, which the ledger never calls" for action in sorted(allowed - called)]
        missing = needed.get(name, set()) - allowed
        problems += [f"{name} may not {action}, which the ledger calls for it" for action in sorted(missing)]
        everything = allowed_actions(resource, "")
        if everything != EXACTLY.get(name, everything):
            problems.append(f"{name} may {', '.join(sorted(everything))}, which must be {', '.join(sorted(EXACTLY[name]))}")
        if name == "ChangesPollerFunction":
            spare = (allowed & called) - needed[name]
            problems += [f"{name} may {action}, which only another function needs" for action in sorted(spare)]
    for problem in problems:
        print(f"template.yaml: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
