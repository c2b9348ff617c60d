"""Reads template.yaml for the checks."""

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent


class Template(yaml.SafeLoader):
    """Reads CloudFormation's short tags (!Ref, !Sub) as their plain values."""


def plain(loader, _suffix, node):
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True)


Template.add_multi_constructor("!", plain)


def load_template():
    return yaml.load((ROOT / "template.yaml").read_text(), Template)
