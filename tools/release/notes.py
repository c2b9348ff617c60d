"""Writes the notes of a release from CHANGELOG.md, and checks a tag before anything is built for it.

    python tools/release/notes.py FILE
    python tools/release/notes.py --check-tag v0.1.0
"""

import argparse
import os
import re
from pathlib import Path

from pack import ROOT, version

NEVER_TRIED = """## Never tried

Nothing of this was tried on AWS: it was deployed to an emulator of AWS. What is for arm64, macOS or Windows was built, and
the functions for arm64 were deployed to the emulator, by the workflow of the release alone: no person has used them.
"""


def section(heading):
    """What CHANGELOG.md says under a heading of the second level; none when there is no such heading."""
    parts = re.split(r"(?m)^## \[([^\]]+)\].*\n", (ROOT / "CHANGELOG.md").read_text())
    return dict(zip(parts[1::2], parts[2::2])).get(heading)


def notes():
    own = section(version())
    if own is None:
        unreleased = section("Unreleased") or ""
        own = f"\n**Not a release: built from what comes after the last one.**\n{unreleased}"
    if os.environ.get("UNOPTIMISED"):
        own = f"\n**The functions are not optimised (UNOPTIMISED=1). Deploy them to an emulator only.**\n{own}"
    # Links to files of the sources lead nowhere from a release.
    own = re.sub(r"\[([^\]]+)\]\((?!https?:)([^)#]+)[^)]*\)", r"\1 (\2)", own)
    return f"# Tilaussilta {version()}\n{own.rstrip()}\n\n{NEVER_TRIED}"


def problems(tag):
    """What keeps a tag from being released."""
    if tag != f"v{version()}":
        yield f"the tag is {tag}, and the version in Cargo.toml is {version()}"
    own = section(version())
    if not own or not own.strip():
        yield f"CHANGELOG.md says nothing under [{version()}]"
    elif "### Upgrade notes" not in own:
        yield f"CHANGELOG.md has no upgrade notes under [{version()}]"
    if not (ROOT / f"tests/tests/fixtures/ledger-{version()}.jsonl").exists():
        yield "tests/tests/fixtures has no ledger of this version: docs/release.md"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--check-tag", metavar="TAG")
    arguments.add_argument("file", nargs="?", type=Path)
    chosen = arguments.parse_args()
    if chosen.check_tag:
        found = list(problems(chosen.check_tag))
        if found:
            raise SystemExit("".join(f"tools/release/notes.py: {problem}\n" for problem in found).rstrip())
    if chosen.file:
        chosen.file.write_text(notes())


if __name__ == "__main__":
    main()
