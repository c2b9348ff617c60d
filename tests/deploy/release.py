"""A release, used as somebody uses it who has no Rust: unpacked, deployed to an emulator of AWS beside the ledger of the
release before, rolled back, and deleted.

    python tests/deploy/release.py FOLDER [--from FOLDER_OF_THE_RELEASE_BEFORE]

Without a release before, what was there before is the ledger that commit dae193d wrote. docs/release.md.
"""

import argparse
import base64
import hashlib
import json
import os
import platform
import shutil
import sqlite3
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from pathlib import Path

import deploy
from deploy import STACK, Deployment, gap, kept, take
from local import CREDENTIALS, REGION, ROOT, TOOLS, expect, run

EARLIER_LEDGER = ROOT / "tests/tests/fixtures/ledger-dae193d.db"
# The connection under which that ledger lies here, beside the one of the simulated shop and ERP.
EARLIER = "before"
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
TARGET = {"x86_64": "x86_64-unknown-linux-gnu", "arm64": "aarch64-unknown-linux-gnu"}[ARCHITECTURE]
# What a machine needs in its PATH for a release, and nothing else is there: docs/deploy.md.
NEEDED = ["sam", "aws"]


def sha256(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


class Release:
    """A release's folder, and what of it this machine runs, unpacked."""

    def __init__(self, dist, into):
        self.dist = dist
        expect((dist / "SHA256SUMS").exists(), f"{dist} is no release: it has no SHA256SUMS")
        self.sums = self.verified_sums()
        [archive] = dist.glob(f"tilaussilta-*-aws-{ARCHITECTURE}.zip")
        self.version = archive.name.split("-")[1]
        into.mkdir()
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(into)
        self.folder = into / archive.stem
        with tarfile.open(dist / f"tilaussilta-{self.version}-{TARGET}.tar.gz") as packed:
            packed.extractall(into, filter="data")
        self.program = into / f"tilaussilta-{self.version}-{TARGET}/tilaussilta"

    def verified_sums(self):
        """The names of the release's files, each of which is as SHA256SUMS says."""
        sums = [line.split(maxsplit=1) for line in (self.dist / "SHA256SUMS").read_text().splitlines()]
        wrong = [name for digest, name in sums if digest != sha256(self.dist / name)]
        expect(not wrong, f"not as SHA256SUMS says: {', '.join(wrong)}")
        return {name for _, name in sums}

    def use(self, on):
        on.project, on.template = self.folder, "packaged.yaml"

    def says(self, on, *arguments):
        """What the release's own program prints about the deployment."""
        environment = CREDENTIALS | {"AWS_ENDPOINT_URL": on.emulator.url, "AWS_REGION": REGION, "PATH": on.path}
        command = [self.program, *arguments, "--stack", STACK]
        return on.machine.run(f"tilaussilta {arguments[0]}", command, environment, on.machine.folder)


class Upgraded(Deployment):
    """A deployment of one release after the other."""

    def __init__(self, machine, release, before):
        super().__init__(machine)
        self.release, self.before = release, before
        self.path = os.environ["PATH"]


def only_what_is_needed(folder):
    """A PATH with nothing but the tools that a release needs."""
    folder.mkdir()
    for name in NEEDED:
        found = shutil.which(name, path=f"{TOOLS / 'bin'}:{os.environ['PATH']}")
        if found:
            (folder / name).symlink_to(found)
    return str(folder)


def no_tool_of_rust_is_in_reach(on):
    found = [name for name in ("cargo", "rustc", "rustup", "cc", "make", "zig", "cargo-lambda") if shutil.which(name)]
    expect(not found, f"in PATH: {', '.join(found)}")
    return f"PATH has {', '.join(sorted(os.listdir(on.path)))} and nothing else"


def the_release_is_whole(on):
    dist = on.release.dist
    others = {path.name for path in dist.iterdir()} - on.release.sums - {"SHA256SUMS"}
    expect(not others, f"not in SHA256SUMS: {', '.join(sorted(others))}")
    bill = json.loads((dist / "tilaussilta-sbom.cdx.json").read_text())
    listed = {(each["name"], each["version"]) for each in bill["components"]}
    locked = {(each["name"], each["version"]) for each in tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]}
    expect(listed <= locked, f"in the bill of materials and not in Cargo.lock: {sorted(listed - locked)[:5]}")
    expect({"ring", "aws-sdk-dynamodb", "tilaussilta-cli"} <= {name for name, _ in listed}, "the bill is not whole")
    notes = (dist / "RELEASE-NOTES.md").read_text()
    expect(on.release.version in notes and "## Never tried" in notes, f"the notes are {notes[:100]!r}")
    said = on.machine.run("tilaussilta --version", [on.release.program, "--version"], {}, on.machine.folder)
    expect(on.release.version in said, f"the program says that it is {said}")
    return f"{len(on.release.sums)} files as SHA256SUMS says, {len(listed)} components in the bill, version {on.release.version}"


def first(on):
    """What is deployed first: the release before, if there is one."""
    return on.before or on.release


def deploys_what_was_there_before(on):
    first(on).use(on)
    said = deploy.deploys(on)
    if not on.before:
        gap("there is no release before: this one is deployed, and gets a ledger of commit dae193d")
    return f"{first(on).version}, without a build: {said}"


def has_an_earlier_ledger(on):
    """Puts the items of an earlier ledger into the table, under a connection of their own."""
    if on.before:
        return "it has what the release before writes"
    later = {"N": str(int(time.time()) + 365 * 24 * 3600)}
    with sqlite3.connect(f"file:{EARLIER_LEDGER}?mode=ro", uri=True) as database:
        items = [json.loads(row) for [row] in database.execute("SELECT item_json FROM tilaussilta")]
    for item in items:
        item["pk"]["S"] = item["pk"]["S"].replace("#acme", f"#{EARLIER}").replace("/acme", f"/{EARLIER}")
        if "expires_at" in item:
            item["expires_at"] = later
        for value in item.values():
            if "B" in value:
                value["B"] = base64.b64decode(value["B"])
        on.aws["dynamodb"].put_item(TableName=on.outputs["LedgerTable"], Item=item)
    return f"{len(items)} items as commit dae193d wrote them"


def every_revision_is_read(on):
    """Reads each revision by the deployed function, whoever wrote it."""
    revisions = on.revisions()
    answers = {id: on.invoke("EventReadName", {"read": id}) for id in sorted(revisions)}
    unread = [f"{id}: {answer}" for id, answer in answers.items() if answer["state"] != "found"]
    expect(not unread, f"{len(unread)} revisions cannot be read: {'; '.join(unread[:3])}")
    return len(revisions)


def changes(on, release, *parameters):
    """Deploys a release over what is there; what it stored and its addresses must stay."""
    secret, outputs = kept(on), on.outputs
    revisions = {(item["pk"]["S"], item["sk"]["S"]): item for item in on.items() if item["sk"]["S"].startswith("rev#")}
    release.use(on)
    _, status = on.deploy(*parameters)
    expect(status == "UPDATE_COMPLETE", f"the stack is {status}")
    moved = [name for name in outputs if on.outputs.get(name, outputs[name]) != outputs[name]]
    expect(not moved, f"changed: {', '.join(moved)}")
    expect(kept(on) == secret, "the connections changed")
    after = {(item["pk"]["S"], item["sk"]["S"]): item for item in on.items()}
    lost = [key for key, item in revisions.items() if after.get(key) != item]
    expect(not lost, f"lost or changed: {lost[:3]}")


def upgrades(on):
    if on.before:
        changes(on, on.release)
    else:
        gap("there is no release before: a parameter changes in place of the code")
        changes(on, on.release, "LogLevel=DEBUG")
    count = every_revision_is_read(on)
    on.release.says(on, "index")
    # It ends with an error when a person is needed, as for a shop that was never polled.
    on.invoke("ChangesPollerName", {})
    status = json.loads(on.release.says(on, "status", "--json"))
    expect(status["is_indexed"] and not status["event_dead_letters"], f"the program says {status}")
    shown = json.loads(on.release.says(on, "show", "mycashflow/acme", "order/1", "--json"))
    expect(shown["document"] == "mycashflow/acme/order/1", f"the program shows {shown}")
    return f"to {on.release.version}: secret, addresses and {count} revisions as before, each read again"


def rolls_back(on):
    changes(on, first(on), *([] if on.before else ["LogLevel=INFO"]))
    count = every_revision_is_read(on)
    deploy.takes_in_pushed_orders(on)
    [report] = on.invoke("ChangesPollerName", {})["shops"]
    expect(report["stopped"] == "caught_up", f"the poll of {first(on).version} reports {report}")
    deploy.publishes_every_revision(on)
    return f"to {first(on).version}, which reads {count} revisions, takes in orders, polls and publishes"


def deploys_by_the_aws_cli(on):
    """The other documented way: the AWS CLI alone."""
    if not shutil.which("aws"):
        gap("there is no AWS CLI on this machine: `aws cloudformation package` is not tried")
        return "not tried"
    environment = CREDENTIALS | {
        "PATH": on.path,
        "HOME": str(on.machine.folder),
        "AWS_ENDPOINT_URL": on.emulator.url,
        "AWS_DEFAULT_REGION": REGION,
    }

    def aws(*arguments):
        return on.machine.run(f"aws {arguments[1]}", ["aws", *arguments], environment, on.release.folder)

    aws("s3", "mb", "s3://artefacts")
    to = ["--s3-bucket", "artefacts", "--s3-prefix", STACK]
    aws("cloudformation", "package", "--template-file", "packaged.yaml", *to, "--output-template-file", "uploaded.yaml")
    deployed = ["--template-file", "uploaded.yaml", "--stack-name", STACK, "--capabilities", "CAPABILITY_IAM", *to]
    aws("cloudformation", "deploy", *deployed, "--parameter-overrides", "LogLevel=WARN")
    stack = on.aws["cloudformation"].describe_stacks(StackName=STACK)["Stacks"][0]
    expect(stack["StackStatus"] == "UPDATE_COMPLETE", f"the stack is {stack['StackStatus']}")
    deploy.takes_in_pushed_orders(on)
    return "`aws cloudformation package` and `deploy`, without SAM: orders come in"


STEPS = [
    no_tool_of_rust_is_in_reach,
    the_release_is_whole,
    deploys_what_was_there_before,
    deploy.time_to_live_is_declared,
    deploy.takes_in_the_connections,
    deploy.a_rule_listens,
    has_an_earlier_ledger,
    deploy.takes_in_pushed_orders,
    deploy.takes_in_signed_messages,
    upgrades,
    deploy.takes_in_pushed_orders,
    deploy.turns_strangers_away,
    deploy.the_schedule_polls,
    deploy.delivers_an_order_once,
    deploy.a_dispatch_delivers,
    deploy.reads_the_past_by_hand,
    deploy.publishes_every_revision,
    deploy.the_archive_keeps_them,
    deploy.nothing_is_left_over,
    rolls_back,
    deploys_by_the_aws_cli,
    deploy.deletes_cleanly,
]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("dist", type=Path)
    arguments.add_argument("--from", dest="before", type=Path, metavar="DIST", help="the release before")
    chosen = arguments.parse_args()

    def test(machine):
        os.environ["PATH"] = only_what_is_needed(machine.folder / "bin")
        release = Release(chosen.dist.resolve(), machine.folder / "release")
        before = Release(chosen.before.resolve(), machine.folder / "before") if chosen.before else None
        take(Upgraded(machine, release, before), STEPS)

    with tempfile.TemporaryDirectory(prefix="tilaussilta-", ignore_cleanup_errors=True) as folder:
        return run("release-test", folder, test)


if __name__ == "__main__":
    sys.exit(main())
