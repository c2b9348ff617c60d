"""Checks that the functions may do in DynamoDB what the ledger does there, and nothing else.

No emulator enforces IAM policies, so an action that is missing in template.yaml would first be missed in AWS. The
poller uses all of the ledger: its policy must name exactly the actions that the ledger's code calls. The policies of
the other functions may name fewer, but none beyond those.
"""

import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent

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


class Template(yaml.SafeLoader):
    """Reads CloudFormation's short tags (!Ref, !Sub) as their plain values: no action is written with one."""


def plain(loader, _suffix, node):
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node)
    return loader.construct_mapping(node)


Template.add_multi_constructor("!", plain)


def called_actions():
    sources = (ROOT / "shared/ledger/src").rglob("*.rs")
    code = "\n".join(path.read_text() for path in sources if path.name != "tests.rs")
    return {f"dynamodb:{action}" for action, call in CALLS.items() if re.search(call, code)}


def allowed_actions(function):
    statements = [s for policy in function["Properties"]["Policies"] for s in policy["Statement"]]
    actions = [s["Action"] if isinstance(s["Action"], list) else [s["Action"]] for s in statements]
    return {action for some in actions for action in some if action.startswith("dynamodb:")}


def main():
    template = yaml.load((ROOT / "template.yaml").read_text(), Template)
    called = called_actions()
    problems = []
    for name, resource in template["Resources"].items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        allowed = allowed_actions(resource)
        problems += [f"{name} may {action}, which the ledger never calls" for action in sorted(allowed - called)]
        if name == "ChangesPollerFunction":
            problems += [f"{name} may not {action}, which the ledger calls" for action in sorted(called - allowed)]
    for problem in problems:
        print(f"template.yaml: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
