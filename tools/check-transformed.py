"""Checks what CloudFormation is given in the end: template.yaml, after SAM has made functions' URLs and roles of it.

- Whoever has a function URL's address may call it. AWS asks for two permissions, and SAM must make both.
- No function may make a log group. One that may makes its group again while a stack is deleted, and the next deployment of
  the same name fails. Every group is in the template, with a retention.
- Every queue and topic refuses plain HTTP, and has one policy: a second one would replace the first without a word.
"""

import os
import sys

from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from template import ROOT

# SAM names its own policies by the region's partition, and asks AWS for nothing.
os.environ.setdefault("AWS_DEFAULT_REGION", "eu-north-1")


def transformed():
    """The resources as SAM gives them to CloudFormation."""
    template = yaml_parse((ROOT / "template.yaml").read_text())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # What `sam deploy` puts there once it has uploaded the code.
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    parameters = {name: each.get("Default", "") for name, each in template["Parameters"].items()}
    return Translator({}, Parser()).translate(template, parameters)["Resources"]


def of_type(resources, kind):
    return {name: each.get("Properties", {}) for name, each in resources.items() if each["Type"] == kind}


def as_list(value):
    return value if isinstance(value, list) else [value]


def url_problems(resources):
    """A function URL without authentication that AWS would answer 403 for."""
    permissions = of_type(resources, "AWS::Lambda::Permission").values()
    urls = of_type(resources, "AWS::Lambda::Url")
    if not urls:
        yield "no function has a URL"
    for name, url in urls.items():
        own = [each for each in permissions if each["FunctionName"] == url["TargetFunctionArn"]]
        own = [each for each in own if each["Principal"] == "*"]
        by_url = {"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"}
        by_function = {"Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True}
        for wanted in (by_url, by_function):
            if not any(wanted.items() <= each.items() for each in own):
                yield f"{name} lacks the permission {wanted}"
        if any(each["Action"] == "lambda:InvokeFunction" and not each.get("InvokedViaFunctionUrl") for each in own):
            yield f"{name}: everybody may invoke the function without its URL"


def denies(statement, action):
    return statement["Effect"] == "Deny" and action in as_list(statement["Action"]) and statement["Resource"] == "*"


def log_problems(resources):
    """A function that may make a log group, and a group that is kept for ever."""
    roles = of_type(resources, "AWS::IAM::Role")
    groups = of_type(resources, "AWS::Logs::LogGroup")
    for name, function in of_type(resources, "AWS::Lambda::Function").items():
        role = roles[function["Role"]["Fn::GetAtt"][0]]
        statements = [each for policy in role["Policies"] for each in policy["PolicyDocument"]["Statement"]]
        if not any(denies(each, "logs:CreateLogGroup") for each in statements):
            yield f"{name} may make a log group: SAM gives its role a policy that allows it"
        if function.get("LoggingConfig", {}).get("LogGroup") not in [{"Ref": group} for group in groups]:
            yield f"{name} logs to a group that is not in the template"
    yield from (f"{name} is kept for ever" for name, each in groups.items() if "RetentionInDays" not in each)


def transport_problems(resources):
    """A queue or topic that takes plain HTTP, or whose policies replace each other."""
    for kind, member, action in (("SQS::Queue", "Queues", "sqs:*"), ("SNS::Topic", "Topics", "sns:Publish")):
        policies = of_type(resources, f"AWS::{kind}Policy")
        for name in of_type(resources, f"AWS::{kind}"):
            own = [each for each in policies.values() if {"Ref": name} in each[member]]
            if len(own) != 1:
                yield f"{name} has {len(own)} policies, and must have one"
                continue
            itself = ({"Ref": name}, {"Fn::GetAtt": [name, "Arn"]})
            refusing = [
                each
                for each in own[0]["PolicyDocument"]["Statement"]
                if (each["Effect"], each["Principal"], each["Action"]) == ("Deny", "*", action)
                and each["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
                and any(resource in itself for resource in as_list(each["Resource"]))
            ]
            if not refusing:
                yield f"{name} does not refuse plain HTTP"
    # A topic's policy takes the place of AWS's own, which lets the account's alarms in.
    for policy in of_type(resources, "AWS::SNS::TopicPolicy").values():
        alarms = {"Effect": "Allow", "Principal": {"Service": "cloudwatch.amazonaws.com"}, "Action": "sns:Publish"}
        if not any(alarms.items() <= each.items() for each in policy["PolicyDocument"]["Statement"]):
            yield "no alarm may publish to the topic"


def main():
    resources = transformed()
    problems = [*url_problems(resources), *log_problems(resources), *transport_problems(resources)]
    for problem in problems:
        print(f"template.yaml, transformed: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
