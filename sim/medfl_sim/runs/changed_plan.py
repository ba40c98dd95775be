"""A plan with some settings changed, by `--set training.lr=0.01` or by a sweep."""

import difflib
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from medfl_common.errors import ConfigError
from medfl_common.files import write_atomic
from medfl_common.plan.bounds import Value
from medfl_common.plan.plan import Plan
from medfl_common.plan.settings import check, models_in
from medfl_common.plan.strict_yaml import parse_yaml, read_yaml


@contextmanager
def plan_with(plan: Path, texts: Sequence[str]) -> Iterator[Path]:
    """Give a plan file with the settings of `--set`, for as long as the context is open."""
    if not texts:
        yield plan
        return
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / plan.name
        write_changed(path, plan, read_settings(texts), f"{plan} with --set {' '.join(texts)}")
        yield path


def read_settings(texts: Iterable[str]) -> dict[str, Value]:
    """Read `KEY=VALUE` of `--set`, once per key: its place in the plan -> value."""
    found: dict[str, Value] = {}
    for text in texts:
        key, equals, word = text.partition("=")
        if not key or not equals or not word.strip():
            raise ConfigError(
                f"--set {text} names no value", todo="write KEY=VALUE, such as training.lr=0.01"
            )
        place = find_key(key.strip(), "--set")
        if place in found:
            raise ConfigError(f"--set {key} occurs twice", todo="write it once")
        found[place] = value_of(word, f"--set {text}")
    return found


def value_of(word: str, source: str) -> Value:
    """Read a value as YAML would; `source` names it in messages."""
    return parse_yaml(f"value: {word.strip()}", source)["value"]


def find_key(key: str, option: str = "--vary", more: str = "") -> str:
    """Return the place in a plan that a key means: `federation.strategy`, or short `strategy`.

    Raises ConfigError if there is no such setting, or more than one; the message has the nearest.

    Args:
        key: As it was given.
        option: The option that named it.
        more: What else the option takes, for the message.
    """
    places = _places(Plan)
    if key in places:
        return key
    found = [place for place in places if place.rpartition(".")[2] == key]
    # What stands deeper has its whole name: `size` is images.size, not images.patch.size.
    found = [one for one in found if one.count(".") == min(place.count(".") for place in found)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(f"{option} {key} may mean {' or '.join(found)}", todo="write it whole")
    near = _nearest(key, places)
    raise ConfigError(
        f"{option} {key}: a plan has no such setting",
        todo=f"did you mean {near}?"
        if near
        else f"write one of the plan's{more} (docs/reference/plan.md)",
    )


def _nearest(key: str, places: list[str]) -> str:
    """Find the place whose whole or short name is most like a key; empty: none is."""
    names = {place.rpartition(".")[2]: place for place in places} | {p: p for p in places}
    short = key.rpartition(".")[2]
    near = difflib.get_close_matches(key, [*names], n=1, cutoff=0.6)
    near = near or difflib.get_close_matches(short, [*names], n=1, cutoff=0.6)
    return names[near[0]] if near else ""


def _places(model: type, prefix: str = "") -> list[str]:
    found = []
    for name, field in model.model_fields.items():  # type: ignore[attr-defined]
        found.append(f"{prefix}{name}")
        for inner in models_in(field.annotation):
            found += _places(inner, f"{prefix}{name}.")
    return list(dict.fromkeys(found))


def write_changed(path: Path, plan: Path, changes: Mapping[str, Value], name: str) -> None:
    """Write a plan file with some settings changed; raises ConfigError if it is not valid.

    Args:
        path: The file to write.
        plan: The plan file to change.
        changes: Place in the plan -> value.
        name: How messages call the changed plan.
    """
    from medfl_server.study.plan_check import check_plan  # imports torch and Flower

    values: dict[str, Value] = yaml.safe_load(yaml.safe_dump(read_yaml(plan)))
    for place, value in changes.items():
        *sections, last = place.split(".")
        inner: dict[str, Value] = values
        for section in sections:
            if not isinstance(inner.get(section), dict):
                inner[section] = {}
            inner = inner[section]  # type: ignore[assignment]
        inner[last] = value
    _make_absolute(values, plan.parent)
    check_plan(check(Plan, values, name), name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, yaml.safe_dump(values, sort_keys=False).encode())


def _make_absolute(values: dict[str, Value], home: Path) -> None:
    """Resolve the path of a file of initial weights, which is relative to the plan."""
    model = values.get("model")
    weights = model.get("weights") if isinstance(model, dict) else None
    if isinstance(weights, dict) and isinstance(weights.get("file"), str):
        weights["file"] = str((home / str(weights["file"])).resolve())


def split_values(text: str) -> list[str]:
    """Split `VALUE,VALUE`; a list in brackets stays whole."""
    return [word.strip() for word in re.split(r",(?![^\[]*\])", text)]
