"""What the parts about functions share: building them, the cloud of this machine, and AWS's runtime interface emulator."""

import http.client
import json
import os
import platform
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench/peers"
TOOLS = ROOT / ".tools/bin"
FUNCTIONS = ["mycashflow-order", "manu-listener", "changes-poller", "event-relay", "shop-actions"]
INVOCATIONS = "/2015-03-31/functions/function/invocations"


def run(*command: str | Path, **more: object) -> str:
    """Runs a program to its end, and gives what it printed."""
    return subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True, **more).stdout


def build() -> None:
    """Builds the functions, the empty one and what stands around them in one go, and the peers."""
    if platform.machine() != "x86_64":
        raise SystemExit("the runtime interface emulator that comes with SAM is used as it is for x86-64 only")
    run(ROOT / "tools/install")
    run(PEERS / "install")
    names = [*FUNCTIONS, "bench-empty", "bench", "sandbox"]
    packages = [argument for name in names for argument in ("--package", f"tilaussilta-{name}")]
    run("cargo", "build", "--release", "--locked", "--quiet", "--bins", *packages, cwd=ROOT)
    bundle = ["--bundle", "--minify", "--platform=node", "--target=node20", "--format=cjs", "--log-level=warning"]
    outfile = f"--outfile={PEERS / 'node_modules/listener.cjs'}"
    run(PEERS / "node_modules/.bin/esbuild", PEERS / "node/listener.mjs", *bundle, outfile)
    run(PEERS / ".venv/bin/python", "-m", "compileall", "-q", PEERS / "python", PEERS / ".venv/lib")


def bootstrap(name: str) -> str:
    """Where the build puts a program."""
    return str(ROOT / "target/release" / name)


def rie() -> Path:
    """AWS's runtime interface emulator, as it comes with the pinned SAM."""
    return next((ROOT / ".tools").glob("lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-x86_64"))


def free_ports() -> tuple[int, int]:
    """Two ports of 127.0.0.1 that nobody listens on."""
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


class Cloud:
    """A running `sandbox serve` without functions: its address, its files, and the environment of a function that uses it."""

    def __init__(self, folder: Path, process: subprocess.Popen) -> None:
        assert process.stdout is not None
        addresses = json.loads(process.stdout.readline())
        self.url = addresses["url"]
        self.process = process
        self.folder = folder
        self.connections = json.loads((folder / "connections.json").read_text())
        # As many certificates as a function finds in AWS, and the one of the cloud.
        self.roots = folder / "roots.pem"
        system = Path(ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt").read_text()
        self.authority = folder / "authority.pem"
        self.roots.write_text(system + self.authority.read_text())
        self.trust = ssl.create_default_context(cafile=str(self.authority))
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TZ": ":UTC",
            "AWS_REGION": "eu-north-1",
            "AWS_DEFAULT_REGION": "eu-north-1",
            "AWS_ACCESS_KEY_ID": "made-up",
            "AWS_SECRET_ACCESS_KEY": "made-up",
            "AWS_SESSION_TOKEN": "made-up",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": addresses["secrets_url"],
            "AWS_LAMBDA_FUNCTION_NAME": "function",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": "3600",
            "SSL_CERT_FILE": str(self.roots),
            "AWS_CA_BUNDLE": str(self.roots),
            "NODE_EXTRA_CA_CERTS": str(self.authority),
            "TABLE_NAME": "tilaussilta",
            "CONNECTIONS_SECRET": "connections",
            "EVENT_BUS_NAME": "tilaussilta",
            "DEAD_LETTER_QUEUE_URL": f"{self.url}/000000000000/tilaussilta-actions-dead-letters",
        }

    def get(self, path: str) -> bytes:
        """Asks the cloud itself, or its shop."""
        with urlopen(self.url + path, context=self.trust) as answer:
            return answer.read()

    def seen(self, record: bool = False) -> dict:
        """What was asked of the cloud since the last time."""
        return json.loads(self.get("/seen?record" if record else "/seen"))


@contextmanager
def cloud(*options: str) -> Iterator[Cloud]:
    """Runs AWS and a shop on this machine, behind TLS, in a folder of its own. The shop is quiet: its last order is an hour old."""
    with tempfile.TemporaryDirectory() as folder:
        files = ["--connections", f"{folder}/connections.json", "--database", f"{folder}/table.db", "--tls", folder]
        serve = [bootstrap("sandbox"), "serve", "--port", "0", "--without-functions", "--counted", "--seed-until", "60"]
        with subprocess.Popen([*serve, *files, *options], stdout=subprocess.PIPE, text=True) as process:
            try:
                yield Cloud(Path(folder), process)
            finally:
                process.kill()


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]


class Emulated:
    """A function under the emulator, which starts the function's own process at the first invocation."""

    def __init__(self, port: int, process: subprocess.Popen, log: Path) -> None:
        self.process = process
        self.log = log
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3600)
        deadline = time.monotonic() + 10
        while True:
            try:
                self.connection.connect()
                return
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.002)

    def invoke(self, event: object) -> tuple[float, dict]:
        """The milliseconds from the event's last byte out to the answer's last byte in, and the answer."""
        body = json.dumps(event).encode()
        begun = time.perf_counter()
        self.connection.request("POST", INVOCATIONS, body)
        text = self.connection.getresponse().read()
        took = (time.perf_counter() - begun) * 1000
        try:
            answer = json.loads(text)
        except ValueError:
            answer = {"errorMessage": "not JSON"}
        if answer.get("errorMessage") or answer.get("statusCode", 200) != 200 or answer.get("batchItemFailures"):
            raise RuntimeError(f"the function failed: {text.decode()}\n{self.log.read_text(errors='replace')[-2000:]}")
        return took, answer

    def function(self) -> Path:
        """The function's own process, in /proc."""
        return Path(f"/proc/{children(self.process.pid)[0]}")

    def peak_memory_mib(self) -> float:
        """The most memory that the function's process has held so far (VmHWM)."""
        status = (self.function() / "status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024

    def processor_ms(self) -> float:
        """How long the function's threads have run on a processor so far: this hardly depends on what else the machine does.

        Threads that have ended are not counted.
        """
        return sum(int(one.read_text().split()[0]) for one in self.function().glob("task/*/schedstat")) / 1e6


@contextmanager
def emulated(command: list[str], environment: dict[str, str], folder: Path = ROOT) -> Iterator[Emulated]:
    """Runs a function's command under the emulator."""
    port, api_port = free_ports()
    addresses = ["--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
    addresses += ["--runtime-api-address", f"127.0.0.1:{api_port}"]
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        outputs = {"stdout": log, "stderr": log, "start_new_session": True}
        with subprocess.Popen([str(rie()), *addresses, *command], env=environment, cwd=folder, **outputs) as process:
            try:
                function = Emulated(port, process, Path(log.name))
                yield function
            finally:
                # The function is in a process group of its own, and would outlive the emulator.
                own = children(process.pid)
                process.kill()
                for child in own:
                    with suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)
