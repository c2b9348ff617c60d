"""What the tests of the examples share: events of the sandbox, an emulator with a bus, and an example deployed on it."""

import json
import os
import random
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/deploy"))

from local import CREDENTIALS, REGION, SANDBOX, TOOLS, Emulator, Machine, expect, free_port, http, run, wait_for  # noqa: E402, F401

BUS = "tilaussilta"


def sandbox_events(machine):
    """Events as the sandbox publishes them: 57 orders, order 58 in three revisions, these again, and one of the ERP."""
    file = machine.folder / "events.jsonl"
    program = os.environ.get("SANDBOX", SANDBOX)
    command = [program, "serve", "--port", 0, "--json", "--every", 0, "--seed-orders", 57, "--events", file]
    process = machine.start("sandbox", command, {})

    def address():
        expect(process.poll() is None, "the sandbox ended at once")
        line, end, _ = machine.logs["sandbox"].read_text().partition("\n")
        return json.loads(line)["url"] if end else None

    url = wait_for("the sandbox to answer", address)

    def does(path, document=None):
        status, text = http("POST", f"{url}/{path}", json.dumps(document) if document is not None else b"")
        expect(status == 200, f"the sandbox answered {status} to {path}: {text}")
        return json.loads(text)

    def published(id, times=1):
        def count():
            lines = file.read_text().splitlines() if file.exists() else []
            return sum(json.loads(line)["detail"]["id"] == id for line in lines) >= times

        wait_for(f"the event of {id}", count)

    expect(does("shops/acme/orders?via=web")["made"] == [58], "the sandbox's next order is not 58")
    for revision, status in [(2, "Processing"), (3, "Shipped")]:
        does(f"shops/acme/orders/58?status={status}")

        def polled():
            does("2015-03-31/functions/changes-poller/invocations", {})
            return f"order/58/{revision}" in file.read_text()

        wait_for(f"revision {revision}", polled)
    does("2015-03-31/functions/event-relay/invocations", {"republish": {"document": "mycashflow/acme/order/58"}})
    does("erp/acme/sales-order-activate?id=4711")
    published("mycashflow/acme/order/58/3", times=2)
    published("manu/acme/sales-order-activate/4711/1")
    return [json.loads(line) for line in file.read_text().splitlines()]


class Events:
    """The sandbox's events, in the ways in which they reach a consumer."""

    def __init__(self, events):
        self.all = events
        self.orders = [event for event in events if event["source"] == "tilaussilta.mycashflow"]
        of_58 = [event for event in self.orders if event["detail"]["order"]["id"] == 58]
        revision = lambda number: [event for event in of_58 if event["detail"]["revision"] == number]  # noqa: E731
        self.first, self.repeat = revision(1)
        self.older, _ = revision(2)
        self.newer, self.newer_again = revision(3)
        # Later versions add fields.
        added = {"schema_version": "9.9", "changes": ["status"], "previous": {"status": "Open"}, "other": {"new": [None]}}
        self.newer = self.newer | {"detail": self.newer["detail"] | added}
        expect(self.first["id"] != self.repeat["id"], "a repeat has EventBridge's id of the first")

    def newest(self):
        """By document, the detail with the highest revision."""
        by_revision = sorted((event["detail"] for event in self.orders), key=lambda detail: detail["revision"])
        return {detail["id"].rpartition("/")[0]: detail for detail in by_revision}

    def shuffled(self):
        """All of them, and old ones of order 58 at the end."""
        events = list(self.all)
        random.Random(58).shuffle(events)
        return [*events, self.repeat, self.older]

    def truncated(self):
        """An order 59 whose event came without it."""
        detail = {key: value for key, value in self.first["detail"].items() if key != "order"}
        return self.first | {"detail": detail | {"id": "mycashflow/acme/order/59/1", "truncated": True}}

    def personal(self):
        """Words that no log may have."""
        contact = self.first["detail"]["order"]["customer_information"]
        return [contact["last_name"], contact["email"], contact["phone"], contact["street_address"]]


class Stage:
    """The emulator, its bus, and what was deployed on it."""

    def __init__(self, machine, events):
        self.machine = machine
        self.events = events
        self.emulator = Emulator(machine, authorise=True)
        self.aws = {name: self.emulator.client(name) for name in
                    ("cloudformation", "dynamodb", "events", "firehose", "lambda", "logs", "s3", "secretsmanager", "sqs")}  # fmt: skip
        self.aws["events"].create_event_bus(Name=BUS)
        # For the function of docs/consume.md: the SDK that Lambda's Node has. Its code is unpacked below this folder.
        (machine.folder / "node_modules").symlink_to(ROOT / "tests/examples/node_modules")

    def sam(self, folder, *arguments, **variables):
        environment = os.environ | CREDENTIALS | {
            "PATH": f"{TOOLS / 'bin'}:{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": self.emulator.url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "1",
        } | variables  # fmt: skip
        return self.machine.run(f"sam {arguments[0]} {folder.name}", [TOOLS / "bin/sam", *arguments], environment, folder)

    def deploy(self, folder, build=True, parameters=(), **variables):
        """Deploys an example from its folder, as its page says; gives the outputs."""
        self.machine.run("cfn-lint", [TOOLS / "bin/cfn-lint", "template.yaml", "--regions", REGION], os.environ, folder)
        if build:
            self.sam(folder, "build", **variables)
        stack = f"test-{folder.name}"
        options = ["--stack-name", stack, "--resolve-s3", "--capabilities", "CAPABILITY_IAM", "--no-progressbar"]
        self.sam(folder, "deploy", *options, "--parameter-overrides", f"EventBusName={BUS}", *parameters)
        made = self.aws["cloudformation"].describe_stacks(StackName=stack)["Stacks"][0]
        expect(made["StackStatus"] == "CREATE_COMPLETE", f"the stack is {made['StackStatus']}")
        return {output["OutputKey"]: output["OutputValue"] for output in made["Outputs"]}

    def publish(self, *events):
        for event in events:
            entry = {"Source": event["source"], "DetailType": event["detail-type"], "EventBusName": BUS}
            entry["Detail"] = json.dumps(event["detail"])
            answer = self.aws["events"].put_events(Entries=[entry])
            expect(answer["FailedEntryCount"] == 0, f"the bus refused an event: {answer}")

    def invoke(self, name, event):
        """Invokes the function of that resource as its queue does; gives how many messages failed."""
        arn = "arn:aws:sqs:eu-north-1:000000000000:orders"
        message = {"messageId": event["detail"]["id"], "body": json.dumps(event), "eventSource": "aws:sqs", "eventSourceARN": arn}
        functions = [made["FunctionName"] for made in self.aws["lambda"].list_functions()["Functions"]]
        [function] = [function for function in functions if f"-{name}-" in function]
        answer = self.aws["lambda"].invoke(FunctionName=function, Payload=json.dumps({"Records": [message]}))
        return len(json.loads(answer["Payload"].read())["batchItemFailures"])

    def waiting(self, queue):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.aws["sqs"].get_queue_attributes(QueueUrl=queue, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def drained(self, outputs):
        wait_for("the queue to be empty", lambda: self.waiting(outputs["OrdersUrl"]) == 0, seconds=120)

    def in_order(self, outputs):
        """Sends order 58 in the four ways, each after the one before was handled, then everything at once."""
        events = self.events
        for event in (events.first, events.repeat, events.newer, events.newer_again, events.older):
            self.publish(event)
            self.drained(outputs)
        yield "order 58"
        self.publish(*events.shuffled())
        self.drained(outputs)
        yield "everything"

    def retry_at_once(self, outputs):
        """Makes a failed message come again after a second, and not after minutes."""
        self.aws["sqs"].set_queue_attributes(QueueUrl=outputs["OrdersUrl"], Attributes={"VisibilityTimeout": "1"})

    def gives_up_the_truncated(self, outputs):
        self.retry_at_once(outputs)
        self.publish(self.events.truncated())
        wait_for("a dead letter", lambda: self.waiting(outputs["DeadLettersUrl"]) == 1, seconds=120)
        [message] = self.aws["sqs"].receive_message(QueueUrl=outputs["DeadLettersUrl"])["Messages"]
        letter = json.loads(message["Body"])["detail"]["id"]
        expect(letter == "mycashflow/acme/order/59/1", f"the dead letter is {letter}")

    def function_logs(self):
        logs = self.aws["logs"]
        lines = []
        for group in logs.describe_log_groups()["logGroups"]:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
            lines += [event["message"].rstrip() for page in pages for event in page["events"]]
        return lines

    def logs_are_clean(self, *secrets):
        """A failure was logged, by the message's id, and nothing that is secret or personal."""
        lines = self.function_logs()
        expect(any("message" in line for line in lines), "the function logged no failure")
        found = [word for word in [*self.events.personal(), *secrets] if any(word in line for line in lines)]
        expect(not found, f"a log has {found}")


class Server:
    """A small HTTP server on this machine, which keeps what it is sent."""

    def __init__(self, machine, answer):
        self.requests = []
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or "null")
                request = {"path": self.path, "headers": dict(self.headers), "body": body}
                request["headers"] = {name.lower(): value for name, value in self.headers.items()}
                requests.append(request)
                self.send_response(answer(request))
                self.send_header("content-length", "0")
                self.end_headers()

            do_PUT = do_POST = answer

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        machine.callback(self.server.shutdown)


def block(page, language):
    """The one block of a language on a page."""
    [text] = re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return text
