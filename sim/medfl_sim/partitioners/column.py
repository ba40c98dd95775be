"""One virtual hospital per value of a column of the label file."""

import re

import numpy as np

from medfl_client.dataset import Indices
from medfl_common.errors import ConfigError
from medfl_sim.partitioners import PARTITIONERS, Table


@PARTITIONERS.register("column")
def column(
    table: Table, argument: str, n_sites: int | None, rng: np.random.Generator
) -> dict[str, Indices]:
    """Group images by `column:NAME`; sites are named `NAME-value` and ordered by value.

    Raises ConfigError where the column is not there, or a patient has two values in it.
    """
    if not argument or argument not in table.cells[0]:
        known = ", ".join(table.cells[0])
        raise ConfigError(f"--partition column:{argument}: no such column; known: {known}")
    values = [cells[argument] for cells in table.cells]
    home: dict[str, str] = {}
    for patient, value in zip(table.patients, values, strict=True):
        if home.setdefault(patient, value) != value:
            raise ConfigError(
                f"--partition column:{argument}: a patient has {home[patient]!r} and {value!r}; "
                "a patient can be at one hospital only"
            )
    names = np.array(values)
    return {_name(argument, value): np.flatnonzero(names == value) for value in sorted(set(values))}


def _name(argument: str, value: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", f"{argument}-{value or 'empty'}".lower()).strip("-")
