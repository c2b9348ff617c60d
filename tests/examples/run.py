"""The examples and the consumer of docs/consume.md, deployed on an emulator of AWS and fed with events of the sandbox.

Each gets order 58, a repeat, a newer and an older revision, and then all events of the sandbox in a shuffled order.
"""

import csv
import io
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

from stage import ROOT, TOOLS, CREDENTIALS, REGION, Events, Machine, Server, Stage, block, expect, free_port, run, sandbox_events, wait_for

ORDER_58 = "mycashflow/acme/order/58"


class NotRun(Exception):
    """Why something could not be tried here."""


def gap(sentence):
    print(f"    gap: {sentence}")


def example(stage, name):
    """A copy of an example, so that nothing is built in the repository."""
    folder = stage.machine.folder / name
    shutil.copytree(ROOT / "examples" / name, folder, ignore=shutil.ignore_patterns("target", "node_modules", ".aws-sam"))
    return folder


def the_page(stage):
    page = ROOT / "docs/consume.md"
    folder = stage.machine.folder / "consumer"
    folder.mkdir()
    code = block(page, "js")
    expect(len(code.splitlines()) < 30, f"the function has {len(code.splitlines())} lines")
    (folder / "index.mjs").write_text(code)
    (folder / "template.yaml").write_text(block(page, "yaml"))
    outputs = stage.deploy(folder, build=False)

    def table():
        items = stage.aws["dynamodb"].scan(TableName=outputs["TableName"])["Items"]
        return {item["document"]["S"]: (int(item["revision"]["N"]), json.loads(item["order"]["S"])) for item in items}

    newest = {key: (detail["revision"], detail["order"]) for key, detail in stage.events.newest().items()}
    sent = stage.in_order(outputs)
    next(sent)
    expect(table() == {ORDER_58: newest[ORDER_58]}, "the table's order 58 is not its third revision")
    next(sent)
    expect(table() == newest, "the table is not the newest state of every order")
    stage.gives_up_the_truncated(outputs)
    stage.logs_are_clean()
    return f"the {len(code.splitlines())} lines on the page: order 58 ends in revision 3, with {len(newest) - 1} others"


def node_csv(stage):
    folder = example(stage, "node-csv")
    outputs = stage.deploy(folder)
    s3, bucket = stage.aws["s3"], outputs["BucketName"]

    def lines():
        names = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
        files = {name: s3.get_object(Bucket=bucket, Key=name)["Body"].read().decode() for name in names}
        return [row | {"file": name} for name, text in files.items() for row in csv.DictReader(io.StringIO(text, newline=""))]

    def expected(detail):
        order = detail["order"]
        total = sum((Decimal(line["total"]) for line in order["products"] if "total" in line), Decimal(0))
        return (f"orders/{order['created_at_local'][:10]}.csv", str(order["id"]), str(detail["revision"]), order["status"], total)

    def found():
        return sorted((row["file"], row["order"], row["revision"], row["status"], Decimal(row["total"])) for row in lines())

    newest = stage.events.newest()
    sent = stage.in_order(outputs)
    next(sent)
    expect(found() == [expected(newest[ORDER_58])], f"the file has {found()}")
    next(sent)
    wanted = sorted(expected(detail) for detail in newest.values())
    expect(found() == wanted, "the files are not one line for each order, in its highest revision")
    stage.gives_up_the_truncated(outputs)
    stage.logs_are_clean()

    # Many writers at once, on one file that is not there yet.
    for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        s3.delete_object(Bucket=bucket, Key=entry["Key"])
    day = stage.events.first["detail"]["order"]["created_at_local"]
    orders = [dict(event, detail=dict(event["detail"], connection=f"mycashflow/shop-{number}"))
              for number, event in enumerate([stage.events.first] * 8)]  # fmt: skip
    file = stage.machine.folder / "race.json"
    file.write_text(json.dumps([json.dumps(event) for event in orders]))
    environment = os.environ | CREDENTIALS | {"AWS_ENDPOINT_URL": stage.emulator.url, "AWS_REGION": REGION, "BUCKET": bucket}
    built = folder / ".aws-sam/build/OrdersCsv"
    stage.machine.run("race", ["node", ROOT / "tests/examples/race.mjs", built, file], environment, folder)
    expect(len(found()) == 8, f"of 8 writers at once on {day[:10]}, {len(found())} lines are left")
    return f"{len(wanted)} orders, a line each in its highest revision; of 8 writers at once, none loses its line"


def python_accounting(stage):
    token = "a-made-up-token"
    invoices, refused, writing, together = {}, [], [], []

    def answer(request):
        if request["headers"].get("authorization") != f"Bearer {token}":
            return 401
        reference = urllib.parse.unquote(request["path"]).removeprefix("/invoices/")
        # As most accounting systems: the last PUT is kept, whatever it is. One is refused at first.
        if reference.endswith("/order/7") and not refused:
            refused.append(reference)
            return 503
        if reference.endswith("/order/60"):  # It is slow, so that two requests would meet.
            together.append(len(writing))
            writing.append(reference)
            time.sleep(5)
            writing.pop()
        invoices.setdefault(reference, []).append(request["body"])
        return 200

    server = Server(stage.machine, answer)
    secret = stage.aws["secretsmanager"].create_secret(Name="accounting-token", SecretString=token)["ARN"]
    outputs = stage.deploy(example(stage, "python-accounting"), parameters=[f"ApiUrl={server.url}", f"ApiTokenSecret={secret}"])
    stage.retry_at_once(outputs)
    sent = stage.in_order(outputs)
    next(sent)
    states = [invoice["status"] for invoice in invoices[ORDER_58]]
    expect(states == ["Open", "Shipped"], f"order 58 was written as {states}")
    next(sent)
    newest = stage.events.newest()
    for reference, detail in newest.items():
        expect(invoices[reference][-1]["status"] == detail["order"]["status"], f"{reference} ends in an older state")
        total = sum((Decimal(row["total"]) for row in invoices[reference][-1]["rows"]), Decimal(0))
        wanted = sum((Decimal(line.get("total", "0")) for line in detail["order"]["products"]), Decimal(0))
        expect(total == wanted, f"the rows of {reference} add up to {total}, not to {wanted}")
    expect(len(invoices[ORDER_58]) == 2 and refused, f"order 58 was written {len(invoices[ORDER_58])} times")

    # Two invocations at once with two revisions of one order: one waits, whichever it is.
    of_60 = [dict(event, detail=dict(event["detail"], id=f"mycashflow/acme/order/60/{event['detail']['revision']}"))
             for event in (stage.events.newer, stage.events.older)]  # fmt: skip
    with ThreadPoolExecutor() as threads:
        failed = sum(threads.map(lambda event: stage.invoke("Accounting", event), of_60))
    expect(failed == 1, f"of two invocations at once, {failed} failed")
    stage.publish(*of_60)
    stage.drained(outputs)
    states = [invoice["status"] for invoice in invoices["mycashflow/acme/order/60"]]
    expect(states[-1] == "Shipped" and not any(together), f"order 60 was written as {states}, beside {together} others")
    stage.gives_up_the_truncated(outputs)
    stage.logs_are_clean(token)
    return f"{len(newest)} invoices; order 58 written twice in all; one answered 503 is written later; one writer at a time"


def rust_postgres(stage):
    database = Postgres(stage.machine)
    folder = example(stage, "rust-postgres")
    shutil.copy(database.certificate, folder / "ca.pem")
    shutil.copy(ROOT / "rust-toolchain.toml", folder)
    database.query((folder / "schema.sql").read_text())
    stage.aws["secretsmanager"].create_secret(Name="database", SecretString=database.url)
    variables = {
        # Compiled as for a test, and beside what is compiled already.
        "CARGO_TARGET_DIR": os.environ.get("CARGO_TARGET_DIR", str(ROOT / "examples/rust-postgres/target")),
        "CARGO_PROFILE_RELEASE_LTO": "off",
        "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0",
        "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
        "CARGO_LAMBDA_OPTIONS": "--skip-target-check",
    }
    outputs = stage.deploy(folder, parameters=["DatabaseSecret=database"], **variables)

    def table():
        rows = database.query("SELECT connection || '/order/' || order_id, revision, status, body FROM orders_now")
        found = [json.loads(row) for row in rows]
        return {row["?column?"]: (row["revision"], row["status"], row["body"]) for row in found}

    newest = {
        key: (detail["revision"], detail["order"]["status"], detail["order"]) for key, detail in stage.events.newest().items()
    }
    sent = stage.in_order(outputs)
    next(sent)
    expect(table() == {ORDER_58: newest[ORDER_58]}, f"the table has {[row[:2] for row in table().values()]}")
    # A connection that broke must not be noticed.
    database.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = 'postgres' AND backend_type = 'client backend'")
    next(sent)
    expect(table() == newest, "the table is not the newest state of every order")
    encrypted = database.query("SELECT count(*) AS n FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND client_addr IS NOT NULL")
    expect(json.loads(encrypted[0])["n"] >= 1, "the function's connection is not encrypted")
    stage.gives_up_the_truncated(outputs)
    stage.logs_are_clean("made-up-password")
    return f"{len(newest)} orders in PostgreSQL, each in its highest revision, over TLS"


class Postgres:
    """A PostgreSQL of the test's own, on 127.0.0.1, behind TLS."""

    def __init__(self, machine):
        installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        program = installed[-1] if installed else shutil.which("postgres")
        if not program:
            raise NotRun("there is no PostgreSQL here")
        self.bin = Path(program).resolve().parent
        self.folder = Path(tempfile.mkdtemp(prefix="tilaussilta-postgres-"))
        machine.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.user = {}
        if os.getuid() == 0:  # PostgreSQL does not run as root.
            try:
                owner = pwd.getpwnam("postgres")
            except KeyError:
                raise NotRun("PostgreSQL does not run as root, and there is no user postgres") from None
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self.user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        data, password = self.folder / "data", self.folder / "password"
        password.write_text("made-up-password")
        password.chmod(0o644)
        self.certificate = self.folder / "certificate.pem"
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"]
        self.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                 "-keyout", self.folder / "key.pem", "-out", self.certificate, *names)  # fmt: skip
        self.run(self.bin / "initdb", "--pgdata", data, "--username", "postgres", "--auth", "scram-sha-256", "--pwfile", password, "--no-sync")
        self.port = free_port()
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.folder, "fsync": "off",
                    "ssl": "on", "ssl_cert_file": self.certificate, "ssl_key_file": self.folder / "key.pem"}  # fmt: skip
        switches = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        machine.start("postgres", [self.bin / "postgres", "-D", data, *switches], {"PATH": os.environ["PATH"]}, **self.user)
        self.url = f"postgresql://postgres:made-up-password@localhost:{self.port}/postgres?sslmode=require"
        wait_for("PostgreSQL to answer", self.ready)

    def run(self, *command, **options):
        result = subprocess.run([str(word) for word in command], cwd=self.folder, capture_output=True, text=True, **self.user, **options)
        expect(result.returncode == 0, f"{Path(command[0]).name} failed: {result.stderr[-300:]}")
        return result.stdout

    def ready(self):
        command = [self.bin / "pg_isready", "--host", "127.0.0.1", "--port", str(self.port)]
        return subprocess.run(command, capture_output=True).returncode == 0

    def query(self, sql):
        """Runs a statement on the socket; gives each row as JSON."""
        sql = f"SELECT row_to_json(r) FROM ({sql}) AS r" if sql.startswith("SELECT") else sql
        words = ["--host", self.folder, "--port", self.port, "--username", "postgres", "--no-psqlrc", "--tuples-only", "--no-align"]
        command = [self.bin / "psql", *words, "--set", "ON_ERROR_STOP=1", "--command", sql]
        return self.run(*command, env={"PGPASSWORD": "made-up-password", "PATH": os.environ["PATH"]}).splitlines()


def api_destination(stage):
    newest, times = {}, {}

    def answer(request):
        """A receiver as the README asks for: it drops what it has seen, and what is older than what it has."""
        if request["headers"].get("x-api-key") != "a-made-up-key":
            return 401
        id, revision = request["headers"]["x-event-id"], int(request["headers"]["x-event-revision"])
        times[id] = times.get(id, 0) + 1
        document = id.rpartition("/")[0]
        if document not in newest or newest[document]["revision"] < revision:
            newest[document] = request["body"]["detail"]
        return 200

    server = Server(stage.machine, answer)
    stage.deploy(example(stage, "api-destination"), build=False, parameters=[f"Endpoint={server.url}/events", "ApiKey=a-made-up-key"])
    gap("the emulator's CloudFormation has no API destinations: made in its EventBridge, tests/deploy/emulator.py")
    gap("the emulator drops what the endpoint refuses: no retries and no dead letters were tried")
    events = [stage.events.first, stage.events.repeat, stage.events.newer, stage.events.older, *stage.events.shuffled()]
    stage.publish(*events)
    wait_for("the endpoint to get every event", lambda: sum(times.values()) == len(events), seconds=60)
    expect(newest[ORDER_58]["revision"] == 3, f"order 58 ends in revision {newest[ORDER_58]['revision']}")
    wanted = {event["detail"]["id"].rpartition("/")[0] for event in stage.events.all}
    expect(set(newest) == wanted, "the endpoint does not have every document")
    return f"{len(events)} events POSTed with their id and revision; order 58 ends in revision 3"


def firehose_s3(stage):
    outputs = stage.deploy(example(stage, "firehose-s3"), build=False)
    gap("the emulator brings no events from a rule to Firehose: put into the stream by the test, as the rule would")
    gap("the emulator's Firehose sets no delimiter and makes a file of each record: what ends a line was only linted")
    events = [stage.events.first, stage.events.repeat, stage.events.newer, stage.events.older, *stage.events.shuffled()]
    for event in events:
        stage.aws["firehose"].put_record(DeliveryStreamName=outputs["StreamName"], Record={"Data": json.dumps(event)})
    s3, bucket = stage.aws["s3"], outputs["BucketName"]

    def keys():
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    wait_for("a file for each event", lambda: len(keys()) == len(events))
    by_hour = [key for key in keys() if len(key.split("/")) == 6 and key.startswith("events/2") and key.endswith(".jsonl")]
    expect(len(by_hour) == len(events), f"keys are not by hour: {keys()[:3]}")
    newest = {}
    for key in by_hour:
        detail = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())["detail"]
        document = detail["id"].rpartition("/")[0]
        newest[document] = max(newest.get(document, 0), detail["revision"])
    expect(newest[ORDER_58] == 3, f"read back, order 58 ends in revision {newest[ORDER_58]}")
    return f"{len(events)} events under keys by hour; read back by revision, order 58 ends in its third"


TESTS = {
    "docs/consume.md": the_page,
    "node-csv": node_csv,
    "python-accounting": python_accounting,
    "rust-postgres": rust_postgres,
    "api-destination": api_destination,
    "firehose-s3": firehose_s3,
}


def main():
    chosen = sys.argv[1:] or list(TESTS)
    unknown = set(chosen) - set(TESTS)
    if unknown:
        sys.exit(f"there is no example {', '.join(sorted(unknown))}: choose of {', '.join(TESTS)}")

    def test(machine):
        events = Events(sandbox_events(machine))
        print(f"{len(events.all)} events of the sandbox, order 58 in 3 revisions")
        failed, not_run = [], []
        for name in chosen:
            # An emulator each, so that no example sees the events of another.
            with Machine(machine.folder / name.replace("/", "-")) as own:
                stage = None
                try:
                    stage = Stage(own, events)
                    print(f"ok       {name}: {TESTS[name](stage)}", flush=True)
                except NotRun as reason:
                    not_run.append(name)
                    print(f"NOT RUN  {name}: {reason}", flush=True)
                except Exception as failure:  # Whatever went wrong, it is this example's, and the others are tried.
                    failed.append(name)
                    print(f"FAILED   {name}: {failure}", flush=True)
                    own.show_logs()
                    print("--- the last lines of the function", *(stage.function_logs()[-30:] if stage else []), sep="\n")
        expect(not failed, f"{len(failed)} of {len(chosen)}: {', '.join(failed)}")
        if not_run:
            print(f"\n########\nexamples-test: NOT RUN: {', '.join(not_run)}\n########\n", file=sys.stderr)
            expect(os.environ.get("EXAMPLES") != "required", f"not run: {', '.join(not_run)}")

    with tempfile.TemporaryDirectory(prefix="tilaussilta-", ignore_cleanup_errors=True) as folder:
        return run("examples-test", folder, test)


if __name__ == "__main__":
    sys.exit(main())
