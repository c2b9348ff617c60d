"""Checks that a deployment says every parameter, and that no two stacks share a folder of the deployment bucket.

CloudFormation keeps the old value of a parameter that is not said, so samconfig.toml must list each. `sam delete` deletes what
is under the stack's `s3_prefix`, so whoever deploys a stack by another name must name another prefix too.
"""

import re
import sys
import tomllib

from samcli.cli.types import CfnParameterOverridesType
from template import ROOT, load_template

from parameters import configured


def parameter_problems(template):
    """A parameter that is in the template and not in samconfig.toml, the docs or the console's groups; or the other way."""
    known = set(template["Parameters"])
    docs = (ROOT / "docs/deploy.md").read_text()
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    # As SAM itself reads the list.
    read = CfnParameterOverridesType().convert(list(configured().values()), None, None)
    for where, named in (
        ("samconfig.toml", set(read)),
        ("docs/deploy.md", set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| `[^|]*", docs, re.MULTILINE))))),
        ("template.yaml's groups", {name for group in groups for name in group["Parameters"]}),
    ):
        yield from (f"{where} does not say {name}" for name in sorted(known - named))
        yield from (f"{where} says {name}, which is no parameter" for name in sorted(named - known))
    # A quote that SAM did not take off would become a part of the value.
    yield from (f"samconfig.toml quotes {name} wrongly" for name in sorted(read) if read[name].strip("'\"") != read[name])


def prefix_problems():
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    for environment, commands in config.items():
        deploy = commands.get("deploy", {}).get("parameters", {}) if isinstance(commands, dict) else {}
        if deploy and deploy.get("s3_prefix") != deploy["stack_name"]:
            yield f"samconfig.toml: the s3_prefix of {environment} is not its stack's name"
    for path in [*(ROOT / "docs").rglob("*.md"), *(ROOT / ".github").rglob("*.yml")]:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            names_stack = "--stack-name" in line and ("sam deploy" in line or "options=" in line)
            if names_stack and "--s3-prefix" not in line:
                yield f"{path.relative_to(ROOT)}, line {number}: deploys a stack by name without its --s3-prefix"


def main():
    template = load_template()
    problems = [*parameter_problems(template), *prefix_problems()]
    if "${AWS::Region}" not in template["Resources"]["Dashboard"]["Properties"]["DashboardName"]:
        problems.append("template.yaml: the dashboard's name must hold the region, because dashboards are global")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
