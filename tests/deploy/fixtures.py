"""The event fixtures of `events/`, and what a built function is run with: as template.yaml says."""

import json
import re
from dataclasses import dataclass

from samcli.yamlhelper import yaml_parse

from local import ROOT, expect

EVENTS = ROOT / "events"


@dataclass
class Function:
    """A function of template.yaml."""

    logical_id: str
    name: str
    timeout: int
    memory: int
    environment: dict

    @property
    def bootstrap(self):
        path = ROOT / ".aws-sam/build" / self.logical_id / "bootstrap"
        expect(path.exists(), f"{path} is missing: run `make build`")
        return path


class Template:
    """template.yaml, and values for what it refers to."""

    def __init__(self, path=ROOT / "template.yaml"):
        self.document = yaml_parse(path.read_text())
        self.resources = self.document["Resources"]
        parameters = self.document["Parameters"].items()
        self.parameters = {name: str(parameter["Default"]) for name, parameter in parameters if "Default" in parameter}

    def of_type(self, kind):
        return {name: resource for name, resource in self.resources.items() if resource["Type"] == kind}

    def function_names(self):
        """The functions' own names."""
        functions = self.of_type("AWS::Serverless::Function").values()
        return [function["Metadata"]["BuildProperties"]["Binary"] for function in functions]

    def deployed_function_names(self):
        """The names of those functions that are deployed unless a parameter says otherwise."""
        functions = self.of_type("AWS::Serverless::Function").values()
        always = [function for function in functions if "Condition" not in function]
        return [function["Metadata"]["BuildProperties"]["Binary"] for function in always]

    def functions(self, references):
        """The functions, with the environment that the template gives them; `references` says what a `!Ref` is."""
        known = self.parameters | references
        shared = self.document["Globals"]["Function"]["Environment"]["Variables"]
        for logical_id, resource in self.of_type("AWS::Serverless::Function").items():
            properties = resource["Properties"]
            variables = shared | properties.get("Environment", {}).get("Variables", {})
            yield Function(
                logical_id,
                resource["Metadata"]["BuildProperties"]["Binary"],
                properties["Timeout"],
                properties["MemorySize"],
                {name: resolved(value, known) for name, value in variables.items()},
            )


def resolved(value, known):
    """A value of the template: a text, a `!Ref`, or a `!Sub` of such names."""

    def of(name):
        expect(name in known, f"template.yaml refers to {name}, for which this test has no value")
        return known[name]

    match value:
        case {"Ref": name}:
            return of(name)
        case {"Fn::Sub": text}:
            return re.sub(r"\$\{([^}]+)\}", lambda found: of(found[1]), text)
    return str(value)


def cases(function):
    """The names of a function's cases; each has what is expected of it beside it."""
    names = {path.name for path in (EVENTS / function).iterdir()}
    found = sorted(name.removesuffix(".expected.json") for name in names if name.endswith(".expected.json"))
    expect(found, f"there is no case in events/{function}")
    fixtures = sorted(name.removesuffix(".json") for name in names if not name.endswith(".expected.json"))
    expect(found == fixtures, f"events/{function}: each CASE.json has its CASE.expected.json")
    return found


def in_short(answer):
    """An answer in the form of the expectations: events/README.md."""
    if not isinstance(answer, dict):
        return answer
    if "errorMessage" in answer:
        return {"error": answer["errorMessage"]}
    if "statusCode" in answer:
        return {"status": answer["statusCode"], "body": answer.get("body", "").rstrip()}
    return answer


def differences(actual, expected, place=""):
    """Where `actual` does not hold what `expected` does; it may hold more."""
    if isinstance(actual, dict) and isinstance(expected, dict):
        for name, value in expected.items():
            yield from differences(actual.get(name), value, f"{place}.{name}")
    elif isinstance(actual, list) and isinstance(expected, list) and len(actual) == len(expected):
        for index, (one, other) in enumerate(zip(actual, expected)):
            yield from differences(one, other, f"{place}[{index}]")
    elif actual != expected:
        texts = [json.dumps(value, ensure_ascii=False) for value in (actual, expected)]
        yield f"{place or 'the answer'} is {texts[0]}, not {texts[1]}"


def check(function, case, play):
    """Plays a case with `play`, after the one that must come before it, and compares the answer."""
    expected = json.loads((EVENTS / function / f"{case}.expected.json").read_text())
    earlier = expected.pop("after", None)
    if earlier:
        play(EVENTS / function / f"{earlier}.json")
    actual = in_short(play(EVENTS / function / f"{case}.json"))
    found = list(differences(actual, expected))
    expect(not found, "; ".join(found))
