"""An operator's argument as the file writes it: a plain value, another node, a type or a format."""

import math
from collections.abc import Iterator

from medfl_common.models.graphs.operators import DTYPES, FORMATS, WORDS
from medfl_common.plan.bounds import Value, shorten
from medfl_common.visible import visible

MOST_IN_LIST = 4096
MOST_DEPTH = 3
LARGEST = 2**31
UNTIL_THE_END = 2**63 - 1  # how ATen writes the end of a slice


class ArgumentError(ValueError):
    """Says why a value is no argument."""


class Ref(int):
    """The number of the node whose result stands here."""


def literal(value: Value, before: int, depth: int = 0) -> object:
    """Turn a value of the file into an argument; raises ArgumentError.

    Args:
        value: As parsed.
        before: Nodes that have run by then; no other may be named.
        depth: Of lists around it.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) > LARGEST and value != UNTIL_THE_END:
            raise ArgumentError(f"has the number {value}, beyond {LARGEST}")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ArgumentError("has a number that is not finite")
        return value
    if isinstance(value, str):
        if value not in WORDS:
            raise ArgumentError(f"has the word {_shown(value)}; known: {', '.join(sorted(WORDS))}")
        return value
    if isinstance(value, list):
        if len(value) > MOST_IN_LIST or depth >= MOST_DEPTH:
            raise ArgumentError("has a list that is too long or too deep")
        return tuple(literal(one, before, depth + 1) for one in value)
    return _named(value, before)


def _named(value: dict[str, Value], before: int) -> object:
    if len(value) != 1:
        raise ArgumentError(f"has the argument {_shown(value)}")
    ((kind, what),) = value.items()
    if kind == "node" and type(what) is int:
        if not 0 <= what < before:
            raise ArgumentError(f"names node {what}, which does not come before it")
        return Ref(what)
    if kind == "dtype" and isinstance(what, str) and what in DTYPES:
        return DTYPES[what]
    if kind == "format" and isinstance(what, str) and what in FORMATS:
        return FORMATS[what]
    if kind == "number" and what in ("inf", "-inf"):
        return float(str(what))
    raise ArgumentError(f"has the argument {_shown(value)}")


def refs_in(argument: object) -> Iterator[Ref]:
    """List the nodes that an argument names."""
    if isinstance(argument, Ref):
        yield argument
    elif isinstance(argument, tuple):
        for one in argument:
            yield from refs_in(one)


def _shown(value: object) -> str:
    return visible(shorten(repr(value)))[:60]
