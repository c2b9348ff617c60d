"""template.yaml, deployed with `sam deploy` to an emulator of AWS, and then used as the outside world uses it.

The emulator runs the functions that `make build` built and holds each to the policies of its role. What it cannot do is
said in the output (`gap:`), and tried in another way. What is deployed is the project's own template.
"""

import json
import os
import sys
import tempfile
import urllib.parse

from fixtures import Template
from local import CREDENTIALS, REGION, ROOT, TOOLS, Emulator, Failed, World, expect, http, run, wait_for

STACK = "tilaussilta"
# The poller must come round while the test waits, and every resource be made. All else is as it is by default.
PARAMETERS = ['PollSchedule="rate(1 minute)"', "AlarmEmail=alarms@example.com"]
# Older than the connections' start, so that only a backfill finds it.
LONG_AGO = "2024-06-01T12:00:00Z"


def gap(sentence):
    print(f"    gap: {sentence}")


class Clients(dict):
    """A client of each service, made when it is first asked for."""

    def __init__(self, emulator):
        super().__init__()
        self.emulator = emulator

    def __missing__(self, service):
        self[service] = self.emulator.client(service)
        return self[service]


class Deployment:
    """The deployed stack, and the simulated shop and ERP that use it."""

    def __init__(self, machine, project=ROOT, template="template.yaml"):
        self.machine = machine
        # Where SAM is run, and what it deploys.
        self.project, self.template = project, template
        self.path = f"{TOOLS / 'bin'}:{os.environ['PATH']}"
        self.emulator = Emulator(machine, authorise=True)
        self.aws = Clients(self.emulator)
        self.outputs = {}
        self.world = None
        self.connections = None
        self.events = {}

    # What people do with the deployment.

    def sam(self, *arguments):
        """Runs SAM as somebody with AWS credentials does; gives what it printed."""
        environment = CREDENTIALS | {
            "PATH": self.path,
            "HOME": str(self.machine.folder),
            "AWS_ENDPOINT_URL": self.emulator.url,
            "AWS_DEFAULT_REGION": REGION,
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "1",
        }
        return self.machine.run(f"sam {arguments[0]}", ["sam", *arguments], environment, self.project)

    def deploy(self, *parameters):
        options = ["--no-confirm-changeset", "--no-progressbar", "--no-fail-on-empty-changeset"]
        printed = self.sam("deploy", *options, "--parameter-overrides", *PARAMETERS, *parameters)
        stack = self.aws["cloudformation"].describe_stacks(StackName=STACK)["Stacks"][0]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        return printed, stack["StackStatus"]

    def invoke(self, output, event):
        """Invokes a function by hand, by the output that names it; gives its answer."""
        answer = self.aws["lambda"].invoke(FunctionName=self.outputs[output], Payload=json.dumps(event))
        text = answer["Payload"].read().decode()
        expect("FunctionError" not in answer, f"{output}, invoked with {json.dumps(event)}, failed: {text}")
        return json.loads(text)

    def address(self, output):
        """Where the outside world reaches a function, from the output that says so: the address and its path."""
        url = urllib.parse.urlsplit(self.outputs[output])
        url_id, _, rest = url.netloc.partition(".")
        expect(rest == f"lambda-url.{REGION}.on.aws" and url.scheme == "https", f"{output} is no function URL: {url}")
        return f"{self.emulator.url}/_aws/lambda-url/{url_id}", url.path

    # What there is to see.

    def items(self):
        pages = self.aws["dynamodb"].get_paginator("scan").paginate(TableName=self.outputs["LedgerTable"])
        return [item for page in pages for item in page["Items"]]

    def revisions(self):
        """The ids under which the ledger's revisions are published."""
        found = [(item["pk"]["S"], item["sk"]["S"]) for item in self.items()]
        return {f"{pk.replace('#', '/', 3)}/{int(sk[4:])}" for pk, sk in found if sk.startswith("rev#")}

    def receive(self):
        """Takes what has come to the queue of published events."""
        queue = self.aws["sqs"].get_queue_url(QueueName="published")["QueueUrl"]
        while messages := self.aws["sqs"].receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                event = json.loads(message["Body"])
                self.events.setdefault(event["detail"]["id"], []).append(event)
                self.aws["sqs"].delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return self.events

    def waiting(self, output):
        """How many messages a queue holds, those in work too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.aws["sqs"].get_queue_attributes(QueueUrl=self.outputs[output], AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def log_lines(self):
        """What the functions logged, by function."""
        logs = self.aws["logs"]
        groups = logs.describe_log_groups(logGroupNamePrefix=f"/{STACK}/")["logGroups"]
        pages = logs.get_paginator("filter_log_events")
        return {
            name: [event["message"] for page in pages.paginate(logGroupName=name) for event in page["events"]]
            for name in (group["logGroupName"] for group in groups)
        }

    def shipped(self, order):
        return ">Shipped<" in self.world.order(order, self.connections["shops"]["acme"]["key"])


def a_failed_first_deployment_leaves_no_secret(on):
    # The stack's bus has this name, so it cannot be made.
    on.aws["events"].create_event_bus(Name=STACK)
    try:
        on.deploy()
    except Failed:
        pass
    status = on.aws["cloudformation"].describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"]
    expect(status == "ROLLBACK_COMPLETE", f"the stack is {status}")
    on.sam("delete", "--stack-name", STACK, "--no-prompts")
    left = {
        "secrets": on.aws["secretsmanager"].list_secrets()["SecretList"],
        "log groups": on.aws["logs"].describe_log_groups(logGroupNamePrefix=f"/tilaussilta/{STACK}/")["logGroups"],
        "queues": on.aws["sqs"].list_queues(QueueNamePrefix=STACK).get("QueueUrls", []),
        "functions": on.aws["lambda"].list_functions()["Functions"],
    }
    expect(not any(left.values()), f"left over: {[name for name, some in left.items() if some]}")
    on.aws["events"].delete_event_bus(Name=STACK)
    gap("it makes the table after the bus: in AWS, both at once, the failed deployment leaves an empty table")
    return "the secret, the log groups, the queues and the functions are gone"


def deploys(on):
    _, status = on.deploy()
    expect(status == "CREATE_COMPLETE", f"the stack is {status}")
    resources = on.aws["cloudformation"].get_paginator("list_stack_resources").paginate(StackName=STACK)
    made = [resource for page in resources for resource in page["StackResourceSummaries"]]
    odd = [r["LogicalResourceId"] for r in made if r["ResourceStatus"] != "CREATE_COMPLETE"]
    expect(not odd, f"not made: {', '.join(odd)}")
    # What only SendWebhooks makes is not deployed here.
    described = Template(on.project / on.template).resources.items()
    wanted = {name for name, resource in described if resource.get("Condition") != "SendsWebhooks"}
    missing = wanted - {resource["LogicalResourceId"] for resource in made}
    expect(not missing, f"not in the stack: {', '.join(sorted(missing))}")
    gap("its CloudFormation knows no event archive, and takes a secret's name for its ARN: tests/deploy/emulator.py")
    return f"{len(made)} resources made"


def time_to_live_is_declared(on):
    def setting():
        return on.aws["dynamodb"].describe_time_to_live(TableName=on.outputs["LedgerTable"])["TimeToLiveDescription"]

    if setting()["TimeToLiveStatus"] != "ENABLED":
        gap("a table's TimeToLiveSpecification is ignored: switched on by hand, as the template says it")
        wanted = Template().resources["Ledger"]["Properties"]["TimeToLiveSpecification"]
        on.aws["dynamodb"].update_time_to_live(TableName=on.outputs["LedgerTable"], TimeToLiveSpecification=wanted)
    expect(setting()["TimeToLiveStatus"] == "ENABLED", f"the time to live is {setting()}")
    return f"items are deleted after {setting()['AttributeName']}"


def queues_refuse_plain_http(on):
    insecure = on.emulator.client("sqs")

    def without_tls(request, **_):
        request.headers["x-forwarded-proto"] = "http"

    insecure.meta.events.register("before-send.sqs", without_tls)
    for output in ("ActionsQueueUrl", "ActionsDeadLettersUrl", "EventDeadLettersUrl"):
        queue = {"QueueUrl": on.outputs[output], "AttributeNames": ["QueueArn"]}
        on.aws["sqs"].get_queue_attributes(**queue)
        try:
            insecure.get_queue_attributes(**queue)
        except insecure.exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            expect(code.startswith("AccessDenied"), f"{output} answers plain HTTP with {code}")
        else:
            expect(False, f"{output} answers plain HTTP")
    return "a caller by plain HTTP is denied, one by TLS is not"


def takes_in_the_connections(on):
    file = on.machine.folder / "connections.json"
    orders, path = on.address("MycashflowOrderUrl")
    expect(path == "/mycashflow/SHOP/orders", f"the shop's address ends in {path}")
    messages, path = on.address("ManuListenerUrl")
    expect(path == "/manu/ACCOUNT/WEBHOOK", f"the ERP's address ends in {path}")
    on.world = World(on.machine, file, orders_to=orders, messages_to=messages)
    on.connections = json.loads(file.read_text())
    on.aws["secretsmanager"].put_secret_value(SecretId=on.outputs["ConnectionsSecret"], SecretString=file.read_text())
    gap("a function URL has no name in the DNS here: called at the emulator's address, with its id in the path")
    return "the simulated shop and ERP know the function URLs, and the secret knows them"


def a_rule_listens(on):
    queue = on.aws["sqs"].create_queue(QueueName="published")["QueueUrl"]
    arn = on.aws["sqs"].get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = on.outputs["EventBusName"]
    pattern = json.dumps({"source": [{"prefix": "tilaussilta."}]})
    rule = on.aws["events"].put_rule(Name="all", EventBusName=bus, EventPattern=pattern)["RuleArn"]
    bus_may_send = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    policy = {"Version": "2012-10-17", "Statement": [bus_may_send]}
    on.aws["sqs"].set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    on.aws["events"].put_targets(Rule="all", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    catch_all = on.aws["events"].describe_rule(Name="catch-all", EventBusName=bus)
    expect(catch_all["State"] == "ENABLED", f"the rule that counts events is {catch_all}")
    return f"the bus {bus} has the rule that counts events, and one of the test's own"


def takes_in_pushed_orders(on):
    posted = [on.world.does("shops/acme/orders?via=web")["posted"] for _ in range(3)]
    expect([status for [(_, status)] in posted] == [200] * 3, f"the shop's orders were answered {posted}")
    recorded = {f"mycashflow/acme/order/{order}/1" for [(order, _)] in posted}
    expect(recorded <= on.revisions(), f"of {recorded}, the ledger has {on.revisions()}")
    return "3 orders POSTed by the shop, each answered 200 and in the table"


def turns_strangers_away(on):
    def kept():
        """The keys of all items but the delivery log's, and those that a scheduled run and the relay write meanwhile."""
        found = {(item["pk"]["S"], item["sk"]["S"]) for item in on.items()}
        others = ("log#", "polls#", "published")
        return {(pk, sk) for pk, sk in found if not pk.startswith(others) and pk != "mycashflow#acme"}

    before = kept()
    orders, _ = on.address("MycashflowOrderUrl")
    messages, _ = on.address("ManuListenerUrl")
    order = http("POST", f"{orders}/mycashflow/acme/orders?key=a-guess", "<Order/>", {"content-type": "text/xml"})
    message = http("POST", f"{messages}/manu/acme/item-save", '{"id":1}', {"manu-md5-verifycode": "0" * 32})
    expect((order[0], message[0]) == (401, 401), f"strangers were answered {order} and {message}")
    expect(kept() == before, f"after strangers' requests, the ledger differs by {sorted(kept() ^ before)}")
    return "a wrong key and a wrong verify code are answered 401"


def takes_in_signed_messages(on):
    for webhook in ["sales-order-activate", "item-save", "partner-save"]:
        answer = on.world.does(f"erp/acme/{webhook}?id=4711")
        expect(answer["status"] == 200, f"{webhook} was answered {answer}")
        expect(f"manu/acme/{webhook}/4711/1" in on.revisions(), f"{webhook} is not in the ledger")
    again = on.world.does("erp/acme/log/1/send-again")
    expect(again["shown_to_the_user"].startswith("kaksoiskappale:"), f"a message sent again was answered {again}")
    return "3 signed messages answered 200 and in the table; one sent again is a duplicate"


def the_schedule_polls(on):
    made = on.world.does("shops/acme/orders?via=api&count=2")["made"]
    wanted = {f"mycashflow/acme/order/{order}/1" for order in made}
    wait_for("the deployed schedule to run the poller", lambda: wanted <= on.revisions(), seconds=180)
    return "2 orders that the shop did not send were found by the scheduled poll"


def publishes_every_revision(on):
    def difference():
        return on.revisions() ^ set(on.receive())

    wait_for("the events of all revisions", lambda: not difference(), seconds=60)
    for id, [event, *_] in on.events.items():
        wanted = "tilaussilta.mycashflow" if id.startswith("mycashflow/") else "tilaussilta.manu"
        holds = "order" if wanted == "tilaussilta.mycashflow" else "document"
        expect(event["source"] == wanted and event["detail"][holds], f"the event of {id} is {event['source']}")
    count = sum(len(events) for events in on.events.values())
    return f"{len(on.events)} revisions, each published under its id ({count} events received)"


def delivers_an_order_once(on):
    action = {"id": "test-1", "shop": "acme", "action": "deliver", "order": 1, "send_email": True}
    # One after the other: of two at once, one would wait for the queue's visibility time-out of 12 minutes.
    for _ in range(2):
        on.aws["sqs"].send_message(QueueUrl=on.outputs["ActionsQueueUrl"], MessageBody=json.dumps(action))
        wait_for("the order to be delivered", lambda: on.shipped(1))
        wait_for("the queue of actions to be empty", lambda: on.waiting("ActionsQueueUrl") == 0)
    [result] = on.invoke("ShopActionsName", action)["results"]
    expect(result["outcome"] == "done_before", f"asked a third time, it was {result}")
    mails = on.world.mails()
    expect([(mail["order"], mail["kind"]) for mail in mails] == [(1, "delivery_confirmation")], f"mails: {mails}")
    return "asked for three times, the order is delivered once, with one mail"


def a_dispatch_delivers(on):
    document = {"id": 9001, "shop_orders": [{"number": 2}], "tracking_code": "MALLI00000001FI"}
    answer = on.world.does("erp/acme/sales-dispatch-activate", document)
    expect(answer["status"] == 200, f"the dispatch was answered {answer}")
    wait_for("the dispatch to deliver the order", lambda: on.shipped(2))
    wait_for("the queue of actions to be empty", lambda: on.waiting("ActionsQueueUrl") == 0)
    expect(len(on.world.mails()) == 2, f"mails: {on.world.mails()}")
    return "a dispatch in the ERP delivered its order, with one mail, by way of bus, rule and queue"


def reads_the_past_by_hand(on):
    [old] = on.world.does(f"shops/acme/orders?via=api&at={LONG_AGO}")["made"]
    [report] = on.invoke("ChangesPollerName", {"shop": "acme", "created_after": "2024-01-01"})["shops"]
    expect(report["new"] == 1 and report["stopped"] == "caught_up", f"the backfill reports {report}")
    [report] = on.invoke("ChangesPollerName", {})["shops"]
    expect(report["gaps_open"] == 0 and report["stopped"] == "caught_up", f"the poll reports {report}")
    expect({"mycashflow/acme/order/1/2", "mycashflow/acme/order/2/2"} <= on.revisions(), "a delivery was not polled")
    again = on.invoke("EventRelayName", {"republish": {"document": f"mycashflow/acme/order/{old}"}})
    expect(again["published"] == 1, f"publishing again reports {again}")
    read = on.invoke("EventReadName", {"read": f"mycashflow/acme/order/{old}/1"})
    expect(read["state"] == "found" and read["event"]["detail"]["order"]["id"] == old, f"reading an event answers {read}")
    return "a backfill finds the order of 2024, a poll the two deliveries; an event is published again, and read"


def the_archive_keeps_them(on):
    [archive] = on.aws["events"].list_archives()["Archives"]
    expect(archive["RetentionDays"] == int(Template().parameters["EventArchiveRetentionDays"]), f"{archive}")
    archived = on.aws["events"].describe_archive(ArchiveName=archive["ArchiveName"])["EventCount"]
    on.receive()
    expect(archived >= len(on.events), f"the archive has {archived} events, the queue had {len(on.events)}")
    return f"the bus's archive keeps {archived} events for {archive['RetentionDays']} days"


def nothing_is_left_over(on):
    for queue in ["ActionsQueueUrl", "ActionsDeadLettersUrl", "EventDeadLettersUrl"]:
        expect(on.waiting(queue) == 0, f"{queue} holds {on.waiting(queue)} messages")
    lines = on.log_lines()
    expect(len(lines) == len(Template().deployed_function_names()), f"log groups: {sorted(lines)}")
    # Each function has counted something by now, but the one that counts nothing and has logged what it was asked for.
    # Were the output of one not collected, no secret would be seen in it.
    namespace = json.dumps(on.outputs["MetricsNamespace"])

    def told(line):
        return ('"_aws"' in line and namespace in line) or "answered a read of an event" in line

    silent = [name for name, found in lines.items() if not any(told(line) for line in found)]
    expect(not silent, f"without a line of metrics in {namespace}: {', '.join(silent)}")
    acme = on.connections["shops"]["acme"]
    secrets = [acme["key"], *acme["push_keys"], *on.connections["manu"]["acme"]["secrets"], "@example"]
    text = "\n".join(line for found in lines.values() for line in found)
    leaked = [secret for secret in secrets if secret in text]
    expect(not leaked, f"the functions' logs hold {leaked}")
    revisions = [item for item in on.items() if item["sk"]["S"].startswith("rev#")]
    expect(all("N" in item.get("expires_at", {}) for item in revisions), "a revision has no expires_at")
    return f"no dead letters; no secret or address in {text.count(chr(10)) + 1} log lines; every revision expires"


def redeploys_over_itself(on):
    secret, outputs, items = kept(on), on.outputs, len(on.items())
    printed, _ = on.deploy()
    expect("No changes to deploy" in printed, "the same deployment again changed something")
    _, status = on.deploy("LogLevel=DEBUG", "RevisionRetentionDays=30")
    expect(status == "UPDATE_COMPLETE", f"the stack is {status}")
    expect(on.outputs == outputs, f"the outputs changed: {on.outputs}")
    expect(kept(on) == secret, "a redeployment changed the connections")
    expect(len(on.items()) >= items, "a redeployment lost items")
    takes_in_pushed_orders(on)
    return "again: no changes; with other parameters, the connections and the table stay, and orders come in"


def kept(on):
    """The connections as the secret has them."""
    return on.aws["secretsmanager"].get_secret_value(SecretId=on.outputs["ConnectionsSecret"])["SecretString"]


def deletes_cleanly(on):
    secret, items = kept(on), len(on.items())
    on.aws["events"].remove_targets(Rule="all", EventBusName=STACK, Ids=["queue"])
    on.aws["events"].delete_rule(Name="all", EventBusName=STACK)
    on.sam("delete", "--stack-name", STACK, "--no-prompts")
    left = {
        "functions": on.aws["lambda"].list_functions()["Functions"],
        "event source mappings": on.aws["lambda"].list_event_source_mappings()["EventSourceMappings"],
        "schedules": on.aws["scheduler"].list_schedules()["Schedules"],
        "buses": on.aws["events"].list_event_buses(NamePrefix=STACK)["EventBuses"],
        "archives": on.aws["events"].list_archives()["Archives"],
        "queues": on.aws["sqs"].list_queues(QueueNamePrefix=STACK).get("QueueUrls", []),
        "log groups": on.aws["logs"].describe_log_groups(logGroupNamePrefix=f"/{STACK}/")["logGroups"],
        "alarms": on.aws["cloudwatch"].describe_alarms(AlarmNamePrefix=STACK)["MetricAlarms"],
        "dashboards": on.aws["cloudwatch"].list_dashboards(DashboardNamePrefix=STACK)["DashboardEntries"],
        "topics": [topic for topic in on.aws["sns"].list_topics()["Topics"] if f":{STACK}-" in topic["TopicArn"]],
        "roles": [role for role in on.aws["iam"].list_roles()["Roles"] if role["RoleName"].startswith(STACK)],
    }
    expect(not any(left.values()), f"left over: {[name for name, some in left.items() if some]}")
    # A run or the relay may have written down, until they were gone, what they did.
    expect(len(on.items()) >= items, "the table lost items")
    expect(kept(on) == secret, "the secret changed")
    return f"all is gone but the table {on.outputs['LedgerTable']} ({items} items) and the secret, as the template says"


STEPS = [
    a_failed_first_deployment_leaves_no_secret,
    deploys,
    time_to_live_is_declared,
    queues_refuse_plain_http,
    takes_in_the_connections,
    a_rule_listens,
    takes_in_pushed_orders,
    turns_strangers_away,
    takes_in_signed_messages,
    the_schedule_polls,
    delivers_an_order_once,
    a_dispatch_delivers,
    reads_the_past_by_hand,
    publishes_every_revision,
    the_archive_keeps_them,
    nothing_is_left_over,
    redeploys_over_itself,
    deletes_cleanly,
]


def test(machine):
    take(Deployment(machine), STEPS)


def take(on, steps):
    """Takes steps one after the other; each says what it saw."""
    print(f"MiniStack answers at {on.emulator.url}, and holds every call to the policies in the template")
    try:
        for number, step in enumerate(steps, 1):
            print(f"{number:2}. {step.__name__.replace('_', ' ')}", flush=True)
            print(f"    {step(on)}", flush=True)
    except Exception:
        show_function_logs(on)
        raise


def show_function_logs(on, lines=15):
    try:
        for name, found in on.log_lines().items():
            tail = [line.rstrip() for line in found[-lines:]]
            print(f"--- the last lines of {name}", *tail, sep="\n", file=sys.stderr)
    except Exception as error:
        print(f"the functions' logs cannot be read: {error}", file=sys.stderr)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="tilaussilta-") as folder:
        sys.exit(run("deploy-test", folder, test))
