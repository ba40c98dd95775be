"""Read one number, or one list of counts, of a reply; nothing is trusted."""

import math
from typing import cast

import numpy as np
from flwr.app import MetricRecord

from medfl_common.errors import RunError
from medfl_common.metrics.counts import Counts

MAX_COUNT = 10**8  # images of one site, at most
MAX_LOSS = 1e8  # of an image on average; those of real models stay below 1e4


def read_counts(
    numbers: MetricRecord, key: str, shape: tuple[int, ...], most: int = MAX_COUNT
) -> Counts:
    """Read counts of a shape, or raise RunError."""
    values = numbers.get(key)
    if not isinstance(values, list) or len(values) != math.prod(shape):
        raise RunError(f"the reply's {key} is not a list of {math.prod(shape)} counts")
    counts = np.array(values)
    if counts.dtype != np.int64 or (counts < 0).any() or (counts > most).any():
        raise RunError(f"the reply's {key} holds something other than counts")
    return counts.reshape(shape)


def read_number(numbers: MetricRecord, key: str) -> int | float:
    """Read a number, or raise RunError."""
    value = numbers.get(key)
    if type(value) not in (int, float):
        raise RunError(f"the reply's {key} is missing or not a number")
    return cast(float, value)


def read_integer(numbers: MetricRecord, key: str) -> int:
    """Read a whole number, or raise RunError."""
    value = numbers.get(key)
    if type(value) is not int:
        raise RunError(f"the reply's {key} is missing or not a whole number")
    return value
