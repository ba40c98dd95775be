"""JSON from outside: bounded in size, depth and number of values, each key once, numbers finite."""

import json
from typing import NoReturn

from medfl_common.errors import ConfigError
from medfl_common.plan.bounds import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_VALUES,
    Value,
    check_size,
    too_large,
)


def parse_json(
    text: str, source: str, most_bytes: int = MAX_BYTES, most_values: int = MAX_VALUES
) -> dict[str, Value]:
    """Parse one object.

    Args:
        text: The JSON.
        source: Names it in messages.
        most_bytes: That it may have.
        most_values: Keys and plain values that it may have.

    Raises:
        ConfigError: The text is no JSON object, or is beyond a bound.
    """
    check_size(len(text), source, most_bytes)

    def number(digits: str) -> int:
        if len(digits) > MAX_DIGITS:
            raise ConfigError(f"{source} has a number of {len(digits)} digits")
        return int(digits)

    def pairs(found: list[tuple[str, Value]]) -> dict[str, Value]:
        values = dict(found)
        if len(values) < len(found):
            raise ConfigError(f"{source} has a key twice")
        return values

    def refuse(word: str) -> NoReturn:
        raise ConfigError(f"{source} has the value {word}, which is no number")

    try:
        values = json.loads(text, parse_int=number, parse_constant=refuse, object_pairs_hook=pairs)
    except RecursionError:
        raise too_large(f"{source} nests more than {MAX_DEPTH} levels") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{source} is not valid JSON: character {error.pos}") from None
    _check_shape(values, source, most_values)
    if not isinstance(values, dict):
        raise ConfigError(f"{source} must hold keys and values")
    return values


def _check_shape(values: Value, source: str, most: int) -> None:
    """Refuse more depth or values than there may be."""
    level, n_values = [values], 0
    for _ in range(MAX_DEPTH + 1):
        groups = [value for value in level if isinstance(value, list | dict)]
        if not groups:
            return
        level = [v for g in groups for v in (g.values() if isinstance(g, dict) else g)]
        n_values += sum(len(g) * (1 + isinstance(g, dict)) for g in groups)
        if n_values > most:
            raise too_large(f"{source} has more than {most} keys and values")
    raise too_large(f"{source} nests more than {MAX_DEPTH} levels")
