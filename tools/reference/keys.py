"""Groups of settings to tables: key, type and range, default, meaning, since when."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic.fields import FieldInfo
from tools.reference.markdown import anchor, code, first_words, table

from medfl_common.plan.settings import Settings, models_in

FIRST = "0.1.0"  # keys without `since` in json_schema_extra are as old as medfl
HEADER = ("key", "type", "default", "meaning", "since")
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
LENGTHS = (("minItems", "at least"), ("maxItems", "at most"))
WORDS = {"string": "text", "boolean": "`true` or `false`", "integer": "integer", "number": "number"}


def sections(root: type[Settings], name: str) -> list[str]:
    """Give a heading and tables for a group and all that it holds, in the order of the file."""
    blocks = [f"## {name}", first_words(root), key_table(root, "")]
    for path, groups in _inner(root, ""):
        blocks.append(f"## {path}")
        for group in groups:
            blocks += [first_words(group), key_table(group, path)]
    return blocks


def key_table(group: type[Settings], path: str) -> str:
    """List the keys of one group; `path` is where it stands in the file."""
    shown = group.model_json_schema()["properties"]
    return table(HEADER, [_row(k, f, shown[k], path) for k, f in group.model_fields.items()])


def _inner(group: type[Settings], path: str) -> Iterator[tuple[str, list[type[Settings]]]]:
    for key, field in group.model_fields.items():
        groups = [m for m in models_in(field.annotation) if issubclass(m, Settings)]
        if groups:
            here = f"{path}.{key}" if path else key
            yield here, groups
            for one in groups:
                yield from _inner(one, here)


def _row(key: str, field: FieldInfo, schema: Mapping[str, Any], path: str) -> list[str]:
    here = f"{path}.{key}" if path else key
    extra = field.json_schema_extra
    since = extra.get("since", FIRST) if isinstance(extra, dict) else FIRST
    return [
        code(key),
        show_type(schema, here),
        _default(field),
        field.description or "",
        str(since),
    ]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Settings):
        return "see there"
    return "not set" if value is None else code(json.dumps(value) if value == "" else _yaml(value))


def _yaml(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def show_type(schema: Mapping[str, Any], path: str = "") -> str:
    """Say in words what a key may hold; a group is a link to its section."""
    if "$ref" in schema:
        return f"[group](#{anchor(path)})"
    for many in ("anyOf", "oneOf"):
        if many in schema:
            kinds = [show_type(one, path) for one in schema[many] if one.get("type") != "null"]
            if len(kinds) == 2 and kinds[1] == f"list of {kinds[0]}":
                return f"{kinds[0]}, or a list of such"
            return " or ".join(dict.fromkeys(kinds))
    if "const" in schema or "enum" in schema:
        values = schema.get("enum") or [schema["const"]]
        return " or ".join(code(value) for value in values)
    if schema.get("type") == "array":
        return _list(schema, path)
    if schema.get("type") == "object":
        return f"text -> {show_type(schema['additionalProperties'])}"
    if "patternErrorMessage" in schema:
        return str(schema["patternErrorMessage"]).removeprefix("write ")
    return f"{WORDS.get(schema.get('type', ''), 'any value')} {_range(schema)}".strip()


def _range(schema: Mapping[str, Any]) -> str:
    ends = {key: _number(schema[key]) for key in BOUNDS if key in schema}
    if [*ends] == ["minimum", "maximum"]:
        return " to ".join(ends.values())
    return ", ".join(f"{BOUNDS[key]} {number}" for key, number in ends.items())


def _list(schema: Mapping[str, Any], path: str) -> str:
    lengths = [f"{words} {schema[key]}" for key, words in LENGTHS if key in schema]
    if schema.get("minItems") == schema.get("maxItems") is not None:
        lengths = [f"exactly {schema['minItems']}"]
    limits = f" ({', '.join(lengths)})" if lengths else ""
    return f"list of {show_type(schema.get('items', {}), path)}{limits}"


def _number(value: float) -> str:
    return "2^63" if value == 2**63 else f"{value:,}"
