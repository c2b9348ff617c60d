"""Checks that alarms and dashboard speak of metrics that there are, and that none is forgotten.

CloudWatch accepts an alarm on a metric that is never sent, and such an alarm never goes off. The metrics of the functions
stand in the table of docs/metrics.md, which a Rust test compares with the code; here it is compared with template.yaml.
A metric of EventBridge must be that of a rule of the template, by its bus and its name. A metric without dimensions must be
made by a filter on every function's log. Of an alarm by metric math, the expressions are checked too. Every alarm must be
explained in docs/alarms.md, and nothing else may be.
"""

import json
import re
import sys

from template import ROOT, load_template

# What Lambda writes of an invocation that did not end well: a time-out, a crash, an error.
FAILED = '{ $.type = "platform.report" && $.record.status != "success" }'


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
            yield name, metric, {each["Name"]: each["Value"] for each in metric.get("Dimensions", [])}


def filtered(resources, namespace):
    """The metrics that filters make of what Lambda writes in every function's log."""
    functions = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Serverless::Function"]
    logs = sorted(each["LoggingConfig"]["LogGroup"] for each in functions)
    read = {}
    for each in resources.values():
        if each["Type"] == "AWS::Logs::MetricFilter" and each["Properties"]["FilterPattern"] == FAILED:
            for made in each["Properties"]["MetricTransformations"]:
                if made["MetricNamespace"] == namespace:
                    read.setdefault(made["MetricName"], []).append(each["Properties"]["LogGroupName"])
    return {metric for metric, groups in read.items() if sorted(groups) == logs}


def own_alarms(alarms, namespace, from_logs):
    """The pairs that alarms on the functions' own metrics name, by the alarm's name."""
    for name, metric, dimensions in watched(alarms):
        if not metric["Namespace"].startswith("AWS/"):
            if metric["Namespace"] == namespace and not dimensions and metric["MetricName"] in from_logs:
                continue
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


def math_problems(alarms):
    """What is wrong with alarms by metric math, and with those that should be by metric math.

    A count of 0 is not sent. So an alarm that goes off below a threshold sees no data just when it should, and CloudWatch
    then looks at earlier periods first. FILL puts the 0 there, but only beside other data: missing data must be breaching.
    """
    for name, alarm in alarms.items():
        properties = alarm["Properties"]
        metrics = properties.get("Metrics", [])
        expressions = " ".join(each["Expression"] for each in metrics if "Expression" in each)
        measured = {each["Id"] for each in metrics if "MetricStat" in each}
        if properties["ComparisonOperator"].startswith("LessThan"):
            if not metrics:
                yield f"{name} goes off below a threshold, but fills no missing data"
            if properties.get("TreatMissingData") != "breaching":
                yield f"{name} goes off below a threshold, but not when there are no data at all"
        if metrics and [each.get("ReturnData") for each in metrics].count(False) != len(metrics) - 1:
            yield f"{name} must return the data of one metric or expression, and say ReturnData: false of the others"
        used = set(re.findall(r"\b[a-z]\w*", expressions))
        yield from (f"{name} reckons with {unknown}, which is none of its metrics" for unknown in
                    sorted(used - {each["Id"] for each in metrics}))
        yield from (f"{name} measures {unused}, and never uses it" for unused in sorted(measured - used))
        left = set(re.findall(r"\b[a-z]\w*", re.sub(r"FILL\(\w+, 0\)", "", expressions)))
        yield from (f"{name} reckons with {missing} without FILL({missing}, 0)" for missing in sorted(measured & left))


def own_widgets(body, namespace, from_logs):
    """The pairs that the dashboard shows; fails on a body that is not JSON."""
    for widget in json.loads(body)["widgets"]:
        for metric in widget["properties"].get("metrics", []):
            if metric[0] == namespace and len(metric) == 2 and metric[1] in from_logs:
                continue
            if not metric[0].startswith("AWS/"):
                is_known = metric[0] == namespace and metric[2:3] == ["Function"]
                yield (metric[3], metric[1]) if is_known else None


def main():
    template = load_template()
    pairs = documented()
    namespace = template["Globals"]["Function"]["Environment"]["Variables"]["METRICS_NAMESPACE"]
    resources = template["Resources"]
    alarms = {name: each for name, each in resources.items() if each["Type"] == "AWS::CloudWatch::Alarm"}
    from_logs = filtered(resources, namespace)
    problems = [f"template.yaml: {problem}" for problem in math_problems(alarms)]
    if not from_logs:
        problems.append("template.yaml: no metric counts, by a filter on each function's log, what did not end well")
    for name, pair in own_alarms(alarms, namespace, from_logs):
        if pair not in pairs:
            problems.append(f"template.yaml: {name} watches a metric that docs/metrics.md does not know")
    for name in unknown_rules(alarms, resources):
        problems.append(f"template.yaml: {name} watches a rule that is not there")
    for name in mixed_periods(alarms):
        problems.append(f"template.yaml: {name} compares metrics of different periods")
    body = resources["Dashboard"]["Properties"]["DashboardBody"]
    for name in sorted(alarms):
        # An alarm that is not always there cannot be named.
        if "Condition" not in alarms[name] and f'"${{{name}.Arn}}"' not in body:
            problems.append(f"template.yaml: the dashboard does not show {name}")
    shown = list(own_widgets(body, namespace, from_logs))
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
