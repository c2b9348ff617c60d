"""Prints every parameter of samconfig.toml for `sam deploy --parameter-overrides`, a line each.

Lines of standard input (`Name=value`) take the place of samconfig's. A list on the command line replaces that of
samconfig.toml as a whole, and CloudFormation keeps the old value of a parameter that is in neither.
"""

import sys
import tomllib

from template import ROOT


def configured(environment="default"):
    """The entries of samconfig.toml by the parameter's name."""
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())[environment]["deploy"]["parameters"]
    return {entry.partition("=")[0]: entry for entry in config["parameter_overrides"]}


def overridden(lines):
    """All entries; fails on one that has no name or an unknown one."""
    entries = configured()
    for line in lines:
        name, equals, _ = line.partition("=")
        if not equals or name not in entries:
            raise SystemExit(f"tools/parameters.py: {name[:40]!r} is no parameter of samconfig.toml")
        entries[name] = line
    return entries.values()


if __name__ == "__main__":
    for entry in overridden(line.strip() for line in sys.stdin if line.strip()):
        print(entry)
