"""YAML without its traps: what a person wrote is what the program gets, or an error says why not.

PyYAML reads `NO` as false, `1e-3` as text, `012` as ten, a second `rounds:` as the only one, and
expands aliases without bound. Each is an error here, with the key, the value and the line. Size,
depth and the number of values are bounded before the text is parsed whole: no file costs minutes.
"""

import math
import re
import stat
from pathlib import Path

import yaml

from medfl_common.errors import ConfigError
from medfl_common.plan.bounds import (
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_VALUES,
    Value,
    check_size,
    shorten,
    too_large,
)

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_TRAPS = (
    (re.compile(r"(?i:yes|no|on|off|y|n|true|false)"), "write true or false, or quote a text"),
    (re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+"), "write a decimal point, as in 1.0e-3 or 0.001"),
    (
        re.compile(r"[-+]?0([0-9_]+|x[0-9a-fA-F_]+|o[0-7_]+|b[01_]+)"),
        "write a plain decimal number, or quote a text",
    ),
    (re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*"), "write the digits without underscores"),
    (re.compile(r"[0-9]+(:[0-9]{2})+(\.[0-9]*)?"), "quote a time or a ratio"),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*"), "quote a date"),
    (re.compile(r"(?i:[-+]?\.(inf|nan))"), "write a finite number"),
)

_PLAIN_TAGS = {
    f"tag:yaml.org,2002:{kind}"
    for kind in ("map", "seq", "str", "bool", "int", "float", "null", "timestamp", "value")
}


def read_yaml(path: Path) -> dict[str, Value]:
    """Read a file that holds one mapping; raise ConfigError with the path as it was resolved."""
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):  # a pipe or a device may have no end
            raise ConfigError(f"{path.resolve()} is no file", todo="name a file")
        check_size(facts.st_size, str(path))
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"there is no file {path.resolve()}", todo="name another, or make it"
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not UTF-8 text (byte {error.start})", todo="save it as UTF-8"
        ) from None
    return parse_yaml(text, source=str(path))


def parse_yaml(text: str, source: str) -> dict[str, Value]:
    """Parse one mapping; `source` names the text in messages."""
    check_size(len(text), source)
    try:
        _check_events(text, source)
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} is not valid YAML: {error}") from None
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{source} must hold keys and values, as in 'seed: 0'")
    return _mapping(node, source, "")


def _check_events(text: str, source: str) -> None:
    """Refuse aliases, and more depth or values than any plan has, at the first that is too much."""
    depth = n_values = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ConfigError(f"{source} uses a YAML alias (*name)", todo="write the values out")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        n_values += isinstance(event, yaml.NodeEvent)
        if depth > MAX_DEPTH:
            raise too_large(f"{source} nests more than {MAX_DEPTH} levels")
        if n_values > MAX_VALUES:
            raise too_large(f"{source} has more than {MAX_VALUES} keys and values")


def _value(node: yaml.Node, source: str, key: str) -> Value:
    if node.tag not in _PLAIN_TAGS:
        where = f"{source}, line {_line(node)}: {key}"
        raise ConfigError(
            f"{where}: the YAML tag {node.tag} is not allowed", todo="write a plain value"
        )
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, source, key)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, source, f"{key}[{i}]") for i, item in enumerate(node.value)]
    return _scalar(node, source, key)


def _mapping(node: yaml.MappingNode, source: str, key: str) -> dict[str, Value]:
    result: dict[str, Value] = {}
    for name_node, value_node in node.value:
        name = name_node.value
        path = f"{key}.{name}" if key else str(name)
        if not isinstance(name, str) or not isinstance(name_node, yaml.ScalarNode):
            raise ConfigError(f"{source}, line {_line(name_node)}: a key must be a plain word")
        if name in result:
            raise ConfigError(
                f"{source}, line {_line(name_node)}: {path} is there twice", todo="keep one"
            )
        result[name] = _value(value_node, source, path)
    return result


def _scalar(node: yaml.Node, source: str, key: str) -> Value:
    text = str(node.value)
    where = f"{source}, line {_line(node)}: {key}: {shorten(text)}"
    if getattr(node, "style", None) is not None:  # quoted or block text
        return text
    if text in ("true", "false"):
        return text == "true"
    if text in ("", "~", "null"):
        return None
    if _INT.fullmatch(text):
        if len(text) > MAX_DIGITS:
            raise ConfigError(
                f"{where}: a number of {len(text)} digits", todo="write a smaller one"
            )
        return int(text)
    if _FLOAT.fullmatch(text):
        if math.isinf(float(text)):
            raise ConfigError(f"{where}: the number is too large", todo="write a finite number")
        return float(text)
    for trap, advice in _TRAPS:
        if trap.fullmatch(text):
            raise ConfigError(f"{where}: YAML readers differ on this value", todo=advice)
    return text


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
