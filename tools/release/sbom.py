"""Writes the bill of materials of a release, in CycloneDX 1.5: every crate of the functions and of the operator's program.

    python tools/release/sbom.py FILE

cargo-cyclonedx writes one for each package and target. Here they become one, without what differs between machines.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from pack import ROOT, functions, version

# What programs are released for: .github/workflows/release.yml.
TARGETS = [
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
]
# cargo-cyclonedx puts a file of this name beside every Cargo.toml.
NAME = "release-sbom"


def packages():
    return [*(Path("functions") / name for name in functions()), Path("cli")]


def of_target(target):
    """The bills of all packages for one target, without this folder's name."""
    command = ["cargo", "cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5", "--no-build-deps"]
    command += ["--target", target, "--override-filename", NAME]
    try:
        subprocess.run(command, cwd=ROOT, check=True, env=os.environ | {"SOURCE_DATE_EPOCH": made_at()})
        texts = [(ROOT / package / f"{NAME}.json").read_text() for package in packages()]
    finally:
        for manifest in ROOT.glob("*/**/Cargo.toml"):
            (manifest.parent / f"{NAME}.json").unlink(missing_ok=True)
    return [json.loads(text.replace(f"file://{ROOT}", "file:///tilaussilta")) for text in texts]


def made_at():
    """The time of the commit, so that the same commit gives the same bill."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return os.environ["SOURCE_DATE_EPOCH"]
    command = ["git", "log", "--max-count=1", "--format=%ct"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def merged(bills):
    """One bill of many."""
    programs, components, dependencies = {}, {}, {}
    for bill in bills:
        program = bill["metadata"]["component"]
        programs[program["bom-ref"]] = program
        components |= {component["bom-ref"]: component for component in bill["components"]}
        for each in bill["dependencies"]:
            dependencies.setdefault(each["ref"], set()).update(each.get("dependsOn", []))
    whole = f"pkg:generic/tilaussilta@{version()}"
    dependencies[whole] = set(programs)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": bills[0]["metadata"]["timestamp"],
            "tools": bills[0]["metadata"]["tools"],
            "component": {
                "type": "application",
                "bom-ref": whole,
                "name": "tilaussilta",
                "version": version(),
                "licenses": [{"expression": "Apache-2.0"}],
            },
        },
        "components": [each for _, each in sorted((programs | components).items())],
        "dependencies": [{"ref": ref, "dependsOn": sorted(on)} for ref, on in sorted(dependencies.items())],
    }


def main():
    [file] = sys.argv[1:]
    bill = merged([bill for target in TARGETS for bill in of_target(target)])
    Path(file).write_text(json.dumps(bill, indent=1) + "\n")
    print(f"{file}: {len(bill['components'])} components")


if __name__ == "__main__":
    main()
