"""Every event fixture through the built functions, under the runtime interface emulator of AWS or `sam local invoke`.

Each case gets a table, a secret, queues, a bus and a simulated shop of its own.
"""

import argparse
import json
import sys
import tempfile

from fixtures import EVENTS, Template, cases, check
from local import CREDENTIALS, REGION, TOOLS, Emulator, Machine, World
from local import answers, expect, free_port, http, in_a_sentence, run, wait_for
from sam_local import SamLocal

RIE = next(TOOLS.glob("lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-x86_64"))


def surround(machine, emulator, host, template, name):
    """Makes what the fixtures are made for (events/README.md); gives what the template's references are there."""
    port = free_port()
    connections = json.loads((EVENTS / "connections.json").read_text())
    connections["shops"]["acme"]["url"] = f"http://{host}:{port}/shops/acme"
    text = json.dumps(connections, ensure_ascii=False)
    file = machine.folder / "connections.json"
    file.write_text(text)
    world = World(machine, file, host, port)
    world.does("shops/acme/orders?via=api&at=2026-01-15T12:00:00Z")
    world.does("shops/acme/orders?via=api&count=3")

    ledger = template.resources["Ledger"]["Properties"]
    described = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    table = {key: ledger[key] for key in described}
    emulator.client("dynamodb").create_table(TableName=name, **table)
    emulator.client("secretsmanager").create_secret(Name=name, SecretString=text)
    emulator.client("events").create_event_bus(Name=name)
    references = {"AWS::StackName": name, "Ledger": name, "Connections": name, "EventBus": name}
    for queue in template.of_type("AWS::SQS::Queue"):
        made = emulator.client("sqs").create_queue(QueueName=f"{name}-{queue}")
        references[queue] = made["QueueUrl"]
    return references


class RuntimeInterfaceEmulator:
    """Runs bootstraps as Lambda does: AWS's own emulator of the runtime's interface, without a container."""

    host = "127.0.0.1"

    def use(self, emulator):
        """Lets the functions find the emulator of AWS."""
        self.environment = CREDENTIALS | {"AWS_REGION": REGION, "AWS_ENDPOINT_URL": emulator.url}

    def player(self, machine, function):
        """Starts a function; gives what plays it an event."""
        address, runtime = (f"127.0.0.1:{free_port()}" for _ in range(2))
        machine.start(
            function.name,
            [RIE, "--runtime-interface-emulator-address", address, "--runtime-api-address", runtime, function.bootstrap],
            self.environment
            | function.environment
            | {
                "AWS_LAMBDA_FUNCTION_NAME": function.name,
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
                "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout),
            },
        )
        wait_for("the runtime interface emulator to listen", lambda: answers(f"http://{address}/"))

        def play(event):
            url = f"http://{address}/2015-03-31/functions/function/invocations"
            status, text = http("POST", url, event.read_bytes())
            expect(status == 200, f"the runtime interface emulator answered {status}: {text}")
            return json.loads(text)

        return play


def play_case(machine, emulator, engine, template, function, case):
    """Plays one case in surroundings of its own."""
    references = surround(machine, emulator, engine.host, template, f"{function}-{case}")
    built = next(one for one in template.functions(references) if one.name == function)
    check(function, case, engine.player(machine, built))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--sam", action="store_true", help="through `sam local invoke`; see tests/deploy/sam-local")
    arguments.add_argument("only", nargs="*", metavar="FUNCTION/CASE", help="play these cases only")
    chosen = arguments.parse_args()
    template = Template()

    def test(machine):
        engine = SamLocal(machine) if chosen.sam else RuntimeInterfaceEmulator()
        emulator = Emulator(machine, authorise=False, host=engine.host)
        engine.use(emulator)
        failed = []
        played = 0
        for function in template.function_names():
            for case in cases(function):
                name = f"{function}/{case}"
                if chosen.only and name not in chosen.only:
                    continue
                played += 1
                with Machine(machine.folder / function / case) as own:
                    try:
                        play_case(own, emulator, engine, template, function, case)
                        print(f"ok      {name}")
                    except Exception as failure:  # Whatever went wrong, it is this case's, and the others are played.
                        failed.append(name)
                        print(f"FAILED  {name}: {in_a_sentence(failure)}")
                        own.show_logs()
        expect(played > 0, "there is no such case")
        expect(not failed, f"{len(failed)} of {played} cases: {', '.join(failed)}")
        print(f"{played} cases, each answered as the file beside it says")

    with tempfile.TemporaryDirectory(prefix="tilaussilta-", ignore_cleanup_errors=True) as folder:
        return run("sam-local-test" if chosen.sam else "invoke-test", folder, test)


if __name__ == "__main__":
    sys.exit(main())
