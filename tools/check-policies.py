"""Checks that the functions may do in DynamoDB and EventBridge what the code does there, and nothing else.

`make deploy-test` finds an action that is missing for what it does there; this finds what is missing for the rest, and
what is too much. A module of the ledger that only one function uses must be allowed to that function whole. The poller
uses all the others: its policy must name exactly the actions that they call. The policies of the other functions may
name fewer, but none beyond what the ledger's code calls. In EventBridge, a function may do exactly what its own code
calls.
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

# The modules of the ledger that only one function uses.
MODULES = {"EventRelayFunction": ["outbox.rs", "publications.rs"], "ShopActionsFunction": ["idempotency.rs"]}
# Those that are the operator's, with their own credentials. Functions use calls in them that they may make anyway: they
# look whether they are paused, write a line of the action log, and read the index.
OPERATOR = ["action_log.rs", "arrivals.rs", "audit.rs", "control.rs", "settle.rs"]
# What Lambda itself does with a function's role, to read the table's stream.
STREAM = {f"dynamodb:{action}" for action in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")}


def called_actions(wanted):
    sources = (ROOT / "shared/ledger/src").rglob("*.rs")
    code = "\n".join(path.read_text() for path in sources if path.name != "tests.rs" and wanted(path.name))
    return {f"dynamodb:{action}" for action, call in CALLS.items() if re.search(call, code)}


def called_of_events(function):
    sources = (ROOT / function["Properties"]["CodeUri"] / "src").rglob("*.rs")
    code = "\n".join(path.read_text() for path in sources)
    return {f"events:{action}" for action, call in EVENT_CALLS.items() if re.search(call, code)}


def allowed_actions(function, service):
    policies = function["Properties"]["Policies"]
    statements = [s for policy in policies for s in policy["Statement"] if s["Effect"] == "Allow"]
    actions = [s["Action"] if isinstance(s["Action"], list) else [s["Action"]] for s in statements]
    return {action for some in actions for action in some if action.startswith(f"{service}:")}


def main():
    template = load_template()
    called = called_actions(lambda module: True)
    own = [module for modules in MODULES.values() for module in modules] + OPERATOR
    needed = {"ChangesPollerFunction": called_actions(lambda module: module not in own)}
    for name, modules in MODULES.items():
        needed[name] = called_actions(lambda module: module in modules)
    problems = []
    for name, resource in template["Resources"].items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        called_events, allowed_events = called_of_events(resource), allowed_actions(resource, "events")
        problems += [f"{name} may not {action}, which its code calls" for action in sorted(called_events - allowed_events)]
        problems += [f"{name} may {action}, which its code never calls" for action in sorted(allowed_events - called_events)]
        allowed = allowed_actions(resource, "dynamodb") - STREAM
        problems += [f"{name} may {action}, which the ledger never calls" for action in sorted(allowed - called)]
        missing = needed.get(name, set()) - allowed
        problems += [f"{name} may not {action}, which the ledger calls for it" for action in sorted(missing)]
        if name == "ChangesPollerFunction":
            spare = (allowed & called) - needed[name]
            problems += [f"{name} may {action}, which only another function needs" for action in sorted(spare)]
    for problem in problems:
        print(f"template.yaml: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
