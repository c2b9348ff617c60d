"""What the tests of the deployed functions run on this machine: an AWS emulator, and a simulated shop and ERP.

Everything listens on 127.0.0.1 (or within a network of its own), on ports that are free, and ends with the test.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import botocore.config

ROOT = Path(__file__).resolve().parent.parent.parent
TOOLS = ROOT / ".tools"
SANDBOX = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug/sandbox"
EMULATOR = TOOLS / "emulator/bin/python"
REGION = "eu-north-1"
# The emulator's own root user. The name says what it is: a key of nothing.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


class Failed(Exception):
    """What was expected and did not happen, in a sentence for a person."""


def in_a_sentence(failure):
    """What a test that failed says: its own sentence, or the kind and text of an exception that nobody foresaw."""
    return str(failure) if isinstance(failure, Failed) else f"{type(failure).__name__}: {failure}"


def expect(condition, sentence):
    if not condition:
        raise Failed(sentence)


def wait_for(what, probe, seconds=60):
    """Asks `probe` until it answers something true, and gives that."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        expect(time.monotonic() < deadline, f"waited {seconds} seconds in vain for {what}")
        time.sleep(0.1)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def http(method, url, body=b"", headers=None):
    """A request to this machine, past any proxy; gives the status and the text of the answer."""
    body = body.encode() if isinstance(body, str) else body
    request = urllib.request.Request(url, data=body if method == "POST" else None, headers=headers or {}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def answers(url):
    """Whether something answers there yet."""
    try:
        return http("GET", url)
    except OSError:
        return None


class Machine(contextlib.ExitStack):
    """The processes of one test run, their folder, and what they wrote."""

    def __init__(self, folder):
        super().__init__()
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.logs = {}

    def start(self, name, command, environment, **options):
        """Starts a process that is ended with this value, and keeps what it writes."""
        self.logs[name] = self.folder / f"{name}.log"
        with self.logs[name].open("ab") as log:
            process = subprocess.Popen(
                [str(word) for word in command],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **options,
            )
        self.callback(end, process)
        return process

    def run(self, name, command, environment, folder):
        """Runs a command to its end; gives what it printed."""
        self.logs[name] = self.folder / f"{name}.log"
        result = subprocess.run(
            [str(word) for word in command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.logs[name].write_text(result.stdout)
        expect(result.returncode == 0, f"`{name}` ended with status {result.returncode}")
        return result.stdout

    def show_logs(self, lines=30):
        for name, path in self.logs.items():
            tail = path.read_text(errors="replace").splitlines()[-lines:] if path.exists() else []
            print(f"--- the last lines of {name}", *tail, sep="\n", file=sys.stderr)


def end(process):
    """Ends a process and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Emulator:
    """MiniStack, an emulator of AWS. With `authorise`, it holds every call to the IAM policies of its caller's role."""

    def __init__(self, machine, authorise, host="127.0.0.1"):
        port = free_port()
        self.url = f"http://{host}:{port}"
        # It hands its own environment on to the functions, so there is nothing else in it.
        environment = CREDENTIALS | {
            "PATH": os.environ["PATH"],
            "HOME": str(machine.folder),
            "TMPDIR": str(machine.folder),
            "BIND_HOST": host,
            "GATEWAY_PORT": str(port),
            "AWS_ENDPOINT_URL": self.url,
            "MINISTACK_REGION": REGION,
            "LAMBDA_EXECUTOR": "local",
            "AUTH": "true" if authorise else "false",
            # Listeners on ports of their own, which are not needed here.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }
        process = machine.start("emulator", [EMULATOR, Path(__file__).with_name("emulator.py")], environment)

        def ready():
            expect(process.poll() is None, "the emulator ended at once")
            return answers(f"{self.url}/_ministack/health")

        wait_for("the emulator to answer", ready)

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            config=botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=320),
        )


class World:
    """The sandbox's simulated shop and ERP, both named `acme`, with the connections that lead to them."""

    def __init__(self, machine, connections, host="127.0.0.1", port=0, orders_to=None, messages_to=None):
        command = [SANDBOX, "world", "--json", "--with-parent"]
        command += ["--host", host, "--port", port, "--connections", connections]
        command += ["--orders-to", orders_to] if orders_to else []
        command += ["--messages-to", messages_to] if messages_to else []
        process = machine.start("shop", command, {}, stdin=subprocess.PIPE)

        def address():
            expect(process.poll() is None, "the simulated shop ended at once")
            line, end, _ = machine.logs["shop"].read_text().partition("\n")
            return json.loads(line)["url"] if end else None

        self.url = wait_for("the simulated shop to answer", address)

    def does(self, path, document=None):
        """What somebody does in the shop or the ERP; gives what the sandbox says of it."""
        status, text = http("POST", f"{self.url}/{path}", json.dumps(document) if document is not None else b"")
        expect(status == 200, f"the sandbox answered {status} to {path}: {text}")
        return json.loads(text)

    def mails(self):
        return json.loads(http("GET", f"{self.url}/shops/acme/mails")[1])

    def order(self, order, key):
        """An order as the shop shows it to whoever has its key: its XML."""
        return http("GET", f"{self.url}/shops/acme/webhooks/get?key={key}&order_ids[]={order}")[1]


def run(name, folder, test):
    """Runs a test with a machine of its own; gives the exit code."""
    # So that a test that is told to stop takes its processes along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begun = time.monotonic()
    with Machine(folder) as machine:
        try:
            test(machine)
        except Exception as failure:
            machine.show_logs()
            if not isinstance(failure, Failed):
                traceback.print_exc()
            print(f"{name}: FAILED: {in_a_sentence(failure)}", file=sys.stderr)
            return 1
    print(f"{name}: passed ({time.monotonic() - begun:.0f} s)")
    return 0
