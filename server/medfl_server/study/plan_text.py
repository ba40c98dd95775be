"""A plan's file with some settings changed: what else a person wrote, comments too, stays."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from medfl_common.errors import ConfigError
from medfl_common.plan.bounds import Value
from medfl_common.plan.plan import Plan, plan_from_values
from medfl_common.plan.settings import loads
from medfl_common.plan.strict_yaml import parse_yaml

Changes = Mapping[str, Value]  # setting, such as federation.rounds -> value


def with_settings(plan: Plan, changes: Changes) -> Plan:
    """Give a plan with some settings changed; raises ConfigError where it is none any more."""
    return plan_from_values(_with(plan, changes))


def rewrite(text: str, plan: Plan, changes: Changes) -> tuple[str, Plan]:
    """Give the file's text with settings changed, and its plan.

    Args:
        text: The file's.
        plan: What it says.
        changes: The settings to change.
    """
    now = with_settings(plan, changes)
    for key, value in changes.items():
        text = _replace(text, key.split("."), json.dumps(value))
    try:
        is_right = loads(Plan, text, "the plan").hash() == now.hash()
    except ConfigError:
        is_right = False
    if not is_right:  # a way of writing that is not known here: all is written anew
        text = yaml.safe_dump(_with(plan, changes), sort_keys=False, allow_unicode=True)
    return text, now


def settings_in(assignments: list[str]) -> dict[str, Value]:
    """Read settings from a command line: `training.lr=0.001`."""
    found: dict[str, Value] = {}
    for assignment in assignments:
        key, sign, value = assignment.partition("=")
        if not sign:
            raise ConfigError(f"--set {assignment} has no value", todo="write --set KEY=VALUE")
        found[key.strip()] = parse_yaml(f"value: {value}", f"--set {assignment}")["value"]
    return found


def _with(plan: Plan, changes: Changes) -> dict[str, Any]:
    values = plan.model_dump(mode="json", exclude_unset=True)
    for key, value in changes.items():
        *sections, name = key.split(".")
        place = values
        for section in sections:
            found = place.setdefault(section, {})
            if not isinstance(found, dict):
                raise ConfigError(f"{key} is no setting: {section} holds a single value")
            place = found
        place[name] = value
    return values


def _replace(text: str, path: list[str], value: str) -> str:
    """Write a value where its key stands, else as the first of its section, else at the end."""
    node = yaml.compose(text, yaml.SafeLoader)
    for depth, name in enumerate(path):
        if not isinstance(node, yaml.MappingNode):
            break
        found = next((item for key, item in node.value if key.value == name), None)
        if found is None:
            return _insert(text, node, path[depth:], value)
        node = found
    assert node is not None
    start, end = node.start_mark.index, node.end_mark.index
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        line = text[:start].rsplit("\n", 1)[1:] or [text[:start]]
        rest = text[start:end]
        end = start + len(rest.rstrip())
        return f"{text[: start - len(line[0])].rstrip()} {value}\n{text[end:].lstrip(chr(10))}"
    return f"{text[:start]}{value}{text[end:]}"


def _insert(text: str, node: yaml.MappingNode, path: list[str], value: str) -> str:
    for name in reversed(path[1:]):
        value = f"{{{name}: {value}}}"
    entry = f"{path[0]}: {value}"
    if node.flow_style:
        at = node.start_mark.index + 1
        return f"{text[:at]}{entry}{', ' if node.value else ''}{text[at:]}"
    if node.start_mark.column == 0:
        return f"{text.rstrip()}\n{entry}\n"
    at = node.start_mark.index
    return f"{text[:at]}{entry}\n{' ' * node.start_mark.column}{text[at:]}"
