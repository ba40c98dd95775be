"""One data set becomes virtual hospitals, one file per way; no image is lost, none is at two.

Each way is a group of settings that can partition a table. Its first setting is what may stand
after the colon on a command line: `dirichlet:0.3`. How many sites there are, and how little one
may have, is the same question for every way and is asked in `scenario`.
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
    """What a way may look at: (N,) entries, one per image.

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
    """Deals images out by whole patients."""

    least: ClassVar[int]  # patients that a site has at least, where nothing else is said
    needs_sites: ClassVar[bool]  # whether it must be told how many; else the data say it

    def partition(self, table: Table, n_sites: int, rng: np.random.Generator) -> Parts:
        """Give every image to one site; raises ConfigError where that cannot be."""


# Each is a `Way`.
PARTITIONERS: Registry[type[Settings]] = Registry("partition", "medfl_sim.data.partitioners")


def by_home(table: Table, home: dict[str, int], n_sites: int) -> Parts:
    """Give site-1, site-2, ... the images of the patients whose home it is, counted from 0."""
    homes = np.array([home[patient] for patient in table.patients])
    return {f"site-{site + 1}": np.flatnonzero(homes == site) for site in range(n_sites)}


def by_value(table: Table, values: Sequence[str], prefix: str) -> Parts:
    """Make a site of each value, `prefix-value`, in the order of values; whole patients.

    A patient with several values goes with all images to the most frequent one, of equally
    frequent ones to the first in the order.
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
    """Raise ConfigError where a patient has two values; `source` says in what."""
    home: dict[str, str] = {}
    for patient, value in zip(table.patients, values, strict=True):
        if home.setdefault(patient, value) != value:
            raise ConfigError(
                f"{source}: a patient has {home[patient]!r} and {value!r}; "
                "a patient can be at one hospital only"
            )


def _site_name(text: str, taken: dict[str, str]) -> str:
    """Make a legal site name that is not taken: values that differ stay apart."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:32].strip("-")
    number, free = 2, name
    while free in taken:
        free = f"{name[:28]}-{number}"
        number += 1
    return free


def at_least(table: Table, n_sites: int) -> None:
    """Raise ConfigError where there are fewer patients than sites."""
    n_patients = len(set(table.patients))
    if n_sites > n_patients:
        raise ConfigError(f"{n_sites} sites were asked for; there are only {n_patients} patients")
