"""Single values of Flower records, checked: a reply may hold anything."""

import math
from typing import TypeVar

import numpy as np
from flwr.app import ConfigRecord, MetricRecord

from medfl_common.errors import LinkError, RunError
from medfl_common.metrics.counts import Counts

Value = TypeVar("Value", int, str)


def counts(numbers: MetricRecord, key: str, shape: tuple[int, ...]) -> Counts:
    """Read counts of a shape, or raise RunError."""
    values = numbers.get(key)
    if not isinstance(values, list) or len(values) != math.prod(shape):
        raise RunError(f"the reply's {key} is not a list of {math.prod(shape)} counts")
    counts = np.array(values)
    if counts.dtype != np.int64 or (counts < 0).any():
        raise RunError(f"the reply's {key} holds something other than counts")
    return counts.reshape(shape)


def number(numbers: MetricRecord, key: str) -> int | float:
    """Read a number, or raise RunError."""
    value = numbers.get(key)
    if not isinstance(value, int | float):
        raise RunError(f"the reply's {key} is missing or not a number")
    return value


def typed(config: ConfigRecord, key: str, kind: type[Value]) -> Value:
    """Read a value of a kind, or raise LinkError."""
    value = config.get(key)
    if not isinstance(value, kind):
        raise LinkError(f"the task's {key} is missing or of the wrong type")
    return value
