"""Checks that alarms and dashboard speak of metrics that there are, and that none is forgotten.

CloudWatch accepts an alarm on a metric that is never sent, and such an alarm never goes off. The metrics of the functions
stand in the table of docs/metrics.md, which a Rust test compares with the code; here it is compared with template.yaml.
A metric of EventBridge must be that of a rule of the template, by its bus and its name. Every alarm must be explained in
docs/alarms.md, and nothing else may be.
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


def watched(alarms):
    """The metrics that alarms watch, themselves or in a math expression: the alarm's name, the metric, its dimensions."""
    for name, alarm in alarms.items():
        properties = alarm["Properties"]
        in_expression = [each["MetricStat"]["Metric"] for each in properties.get("Metrics", []) if "MetricStat" in each]
        for metric in in_expression or [properties]:
            yield name, metric, {each["Name"]: each["Value"] for each in metric["Dimensions"]}


def own_alarms(alarms, namespace):
    """The pairs that alarms on the functions' own metrics name, by the alarm's name."""
    for name, metric, dimensions in watched(alarms):
        if not metric["Namespace"].startswith("AWS/"):
            if metric["Namespace"] != namespace or set(dimensions) != {"Function"}:
                yield name, None
            else:
                yield name, (dimensions["Function"], metric["MetricName"])


def unknown_rules(alarms, resources):
    """The alarms on EventBridge's metrics of a rule that the template does not make under this name on this bus."""
    rules = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Events::Rule"]
    made = [(rule["EventBusName"], rule.get("Name")) for rule in rules]
    for name, metric, dimensions in watched(alarms):
        if metric["Namespace"] == "AWS/Events":
            if (dimensions.get("EventBusName"), dimensions.get("RuleName")) not in made:
                yield name


def mixed_periods(alarms):
    """The alarms whose math expression would compare sums of different times."""
    for name, alarm in alarms.items():
        metrics = alarm["Properties"].get("Metrics", [])
        if len({each["MetricStat"]["Period"] for each in metrics if "MetricStat" in each}) > 1:
            yield name


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
    for name in unknown_rules(alarms, resources):
        problems.append(f"template.yaml: {name} watches a rule that is not there")
    for name in mixed_periods(alarms):
        problems.append(f"template.yaml: {name} compares metrics of different periods")
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
