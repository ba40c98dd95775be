"""Partition one data set into virtual hospitals, one file per partitioner; each image at one site.

Each partitioner is a group of settings that can partition a table. Its first setting may follow
the colon on a command line: `dirichlet:0.3`. The number of sites and the fewest patients of a
site are settings of every partitioner; see `scenario`.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np

from medfl_client.data.dataset import Indices
from medfl_common.errors import ConfigError
from medfl_common.plan.settings import Settings
from medfl_common.registry import Registry


@dataclass(frozen=True)
class Table:
    """What a partitioner may read: (N,) entries, one per image.

    patients: pseudonyms; cells: the image's line of the label file; labels: the image's class;
    files: where the image is; names: its path below the data folder; years: of the study, 0: not
    known. `pseudonym` turns a PatientID into what stands in `patients`; where the label file says
    who a patient is, `column ID` stands there.
    """

    patients: list[str]
    cells: list[dict[str, str]]
    labels: list[int]
    files: list[Path]
    names: list[str]
    years: list[int]
    pseudonym: Callable[[str], str]

    def patient_labels(self) -> dict[str, int]:
        """Give each patient's class: the highest among the images."""
        highest: dict[str, int] = {}
        for patient, label in zip(self.patients, self.labels, strict=True):
            highest[patient] = max(label, highest.get(patient, label))
        return highest


Parts = dict[str, Indices]  # site -> positions of its images, in the order of the roster


class Way(Protocol):
    """Partitions images by whole patients."""

    least: ClassVar[int]  # default for the fewest patients of a site
    needs_sites: ClassVar[bool]  # whether it needs the number of sites; else the data decide it

    def partition(self, table: Table, n_sites: int, rng: np.random.Generator) -> Parts:
        """Assign every image to one site; raises ConfigError if that is impossible."""


# Each is a `Way`.
PARTITIONERS: Registry[type[Settings]] = Registry("partition", "medfl_sim.data.partitioners")


def by_home(table: Table, home: dict[str, int], n_sites: int) -> Parts:
    """Assign to site-1, site-2, ... the images of their patients; homes count from 0."""
    homes = np.array([home[patient] for patient in table.patients])
    return {f"site-{site + 1}": np.flatnonzero(homes == site) for site in range(n_sites)}


def by_value(table: Table, values: Sequence[str], prefix: str) -> Parts:
    """Make a site of each value, `prefix-value`, in the order of values; whole patients.

    A patient with several values goes, with all images, to the most frequent one; among equally
    frequent ones, to the first.
    """
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for patient, value in zip(table.patients, values, strict=True):
        seen[patient][value] += 1
    home = {p: min(c, key=lambda value: (-c[value], value)) for p, c in seen.items()}
    homes = np.array([home[patient] for patient in table.patients])
    names: dict[str, str] = {}
    for value in sorted(set(home.values())):
        names[_site_name(f"{prefix}-{value or 'empty'}", names)] = value
    return {name: np.flatnonzero(homes == value) for name, value in names.items()}


def refuse_two_values(table: Table, values: Sequence[str], source: str) -> None:
    """Raise ConfigError if a patient has two values; `source` names their origin."""
    home: dict[str, str] = {}
    for patient, value in zip(table.patients, values, strict=True):
        if home.setdefault(patient, value) != value:
            raise ConfigError(
                f"{source}: a patient has {home[patient]!r} and {value!r}; "
                "a patient can be at one hospital only"
            )


def _site_name(text: str, taken: dict[str, str]) -> str:
    """Make a legal site name that is free: different values get different names."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:32].strip("-")
    number, free = 2, name
    while free in taken:
        free = f"{name[:28]}-{number}"
        number += 1
    return free


def at_least(table: Table, n_sites: int) -> None:
    """Raise ConfigError if there are fewer patients than sites."""
    n_patients = len(set(table.patients))
    if n_sites > n_patients:
        raise ConfigError(f"{n_sites} sites need {n_sites} patients; there are only {n_patients}")
