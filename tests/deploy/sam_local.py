"""`sam local invoke`, with a container engine of the test's own. tests/deploy/sam-local starts the test that uses it."""

import json
import os
import subprocess

from local import REGION, ROOT, TOOLS, expect, wait_for

BASE = "debian-stands-in-for-amazon-linux"
IMAGE = "tilaussilta-sam-local-test"


class SamLocal:
    """Plays events with `sam local invoke`."""

    # Where containers reach this machine: the engine's end of their network.
    host = "172.17.0.1"

    def __init__(self, machine):
        self.machine = machine
        # Without AWS credentials, SAM hands made-up ones to the function, and asks nobody about them.
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.environment |= {
            "AWS_DEFAULT_REGION": REGION,
            "DOCKER_HOST": f"unix://{machine.folder}/docker.sock",
            "HOME": str(machine.folder),
            "SAM_CLI_TELEMETRY": "0",
            "TMPDIR": str(machine.folder),
        }
        self.run("ip", "link", "set", "lo", "up")
        self.start_engine()
        self.run("docker", "import", "--change", "WORKDIR /var/task", TOOLS / "debian.tar", BASE)

    def run(self, *command):
        return self.machine.run(" ".join(command[:2]), command, self.environment, ROOT)

    def start_engine(self):
        folder = self.machine.folder
        places = ["--data-root", folder / "data", "--exec-root", folder / "exec", "--pidfile", folder / "docker.pid"]
        # Nothing but its bridge: no rules for the network's packets, and no way out of it.
        switches = ["--iptables=false", "--ip6tables=false", "--ip-masq=false", "--ip-forward=false"]
        command = ["dockerd", "--host", self.environment["DOCKER_HOST"], f"--bip={self.host}/24", *places, *switches]
        engine = self.machine.start("dockerd", command, self.environment)

        def ready():
            expect(engine.poll() is None, "dockerd ended at once")
            asked = subprocess.run(["docker", "info"], env=self.environment, capture_output=True)
            return asked.returncode == 0

        wait_for("dockerd to answer", ready)

    def use(self, emulator):
        """Lets the functions find the emulator of AWS.

        It stands in the image, because `--env-vars` sets only what the template names.
        """
        recipe = self.machine.folder / "image/Dockerfile"
        recipe.parent.mkdir()
        recipe.write_text(f"FROM {BASE}\nENV AWS_ENDPOINT_URL={emulator.url}\n")
        self.run("docker", "build", "--tag", IMAGE, recipe.parent)

    def player(self, machine, function):
        """Gives what plays an event to a function."""
        variables = machine.folder / "variables.json"
        variables.write_text(json.dumps({function.logical_id: function.environment}))

        def play(event):
            options = ["--env-vars", variables, "--skip-pull-image", "--invoke-image", IMAGE]
            command = [TOOLS / "bin/sam", "local", "invoke", function.logical_id, "--event", event, *options]
            lines = machine.run("sam local invoke", command, self.environment, ROOT).splitlines()
            printed = [json.loads(line) for line in lines if line.startswith("{")]
            # Between them are lines of the function's log, which have a timestamp, and of its metrics.
            answers = [value for value in printed if not {"timestamp", "_aws"} & value.keys()]
            expect(answers, "`sam local invoke` printed no answer")
            return answers[-1]

        return play
