"""Checks that alarms and dashboard speak of metrics that there are, and that none is forgotten.

CloudWatch takes an alarm on a metric that nobody sends, and it never goes off. The metrics of the functions stand in
the table of docs/metrics.md, which a Rust test compares with the code; here it is compared with template.yaml. Every
alarm must be explained in docs/alarms.md, and nothing else may be.
"""

import json
import re
import sys

from template import ROOT, load_template


def documented():
    """The pairs of function and metric in docs/metrics.md."""
    pairs = set()
    for line in (ROOT / "docs/metrics.md").read_text().splitlines():
        if line.startswith("| `"):
            name, _unit, functions, _meaning = (cell.strip() for cell in line.strip("|").split("|"))
            pairs |= {(function.strip("`"), name.strip("`")) for function in functions.split(", ")}
    return pairs


def own_alarms(alarms, namespace):
    """The pairs that alarms on the functions' own metrics name, by the alarm's name."""
    for name, alarm in alarms.items():
        properties = alarm["Properties"]
        if not properties["Namespace"].startswith("AWS/"):
            dimensions = {each["Name"]: each["Value"] for each in properties["Dimensions"]}
            if properties["Namespace"] != namespace or set(dimensions) != {"Function"}:
                yield name, None
            else:
                yield name, (dimensions["Function"], properties["MetricName"])


def own_widgets(body, namespace):
    """The pairs that the dashboard shows; fails on a body that is not JSON."""
    for widget in json.loads(body)["widgets"]:
        for metric in widget["properties"].get("metrics", []):
            if not metric[0].startswith("AWS/"):
                is_known = metric[0] == namespace and metric[2:3] == ["Function"]
                yield (metric[3], metric[1]) if is_known else None


def main():
    template = load_template()
    pairs = documented()
    namespace = template["Globals"]["Function"]["Environment"]["Variables"]["METRICS_NAMESPACE"]
    resources = template["Resources"]
    alarms = {name: each for name, each in resources.items() if each["Type"] == "AWS::CloudWatch::Alarm"}
    problems = []
    for name, pair in own_alarms(alarms, namespace):
        if pair not in pairs:
            problems.append(f"template.yaml: {name} watches a metric that docs/metrics.md does not know")
    shown = list(own_widgets(resources["Dashboard"]["Properties"]["DashboardBody"], namespace))
    for pair in shown:
        if pair not in pairs:
            problems.append(f"template.yaml: the dashboard shows {pair}, which docs/metrics.md does not know")
    for function, metric in sorted(pairs - set(shown)):
        problems.append(f"template.yaml: the dashboard does not show {metric} of {function}")
    explained = set(re.findall(r"^### `(\w+)`$", (ROOT / "docs/alarms.md").read_text(), re.MULTILINE))
    problems += [f"docs/alarms.md does not explain {name}" for name in sorted(set(alarms) - explained)]
    problems += [f"docs/alarms.md explains {name}, which is no alarm" for name in sorted(explained - set(alarms))]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
