"""k-fold by patients: a hospital's patients test in one fold each, and train in the others.

The keyed hash of the split ranks the patients of each class, and they are dealt to the folds in
turn. A fold is a split of its own: its patients test, of the others the first validate.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medfl_client.data.dataset import Indices
from medfl_client.data.ingest import Collection
from medfl_client.data.parts import Part
from medfl_client.data.split import Person, Sides, persons_of
from medfl_common.errors import ConfigError
from medfl_common.plan.plan import Plan


@dataclass(frozen=True)
class Fold:
    """One of `of` folds, from 1."""

    number: int
    of: int

    def sides(self, collection: Collection, plan: Plan, chosen: Indices | None, site: str) -> Sides:
        """Give each patient's part: of a collection, or of the samples of it at some positions.

        Raises ConfigError where a site has too few patients, or gives its split itself.
        """
        positions = np.arange(len(collection.samples)) if chosen is None else np.sort(chosen)
        persons = persons_of(collection, positions, plan)
        if len(persons) < 2:
            raise ConfigError(
                f"{site} has {len(persons)} patient; folds need two, one to train on while the "
                "other is tested",
                todo="leave it out, or give it to another hospital by a partition",
            )
        if any(person.given for person in persons.values()):
            raise ConfigError(
                f"{site} gives its split itself, so no folds can be drawn",
                todo="write split: drawn in its site file",
            )
        parts = self.parts(persons, plan.evaluation.validation)
        return {key: parts[name] for name, person in persons.items() for key in person.keys}

    def parts(self, persons: Mapping[str, Person], validation: float) -> dict[str, Part]:
        """Give each person a part; `validation` is the share of each class that validates."""
        parts: dict[str, Part] = {}
        fold_of = deal(persons, self.of)
        for group in _ranked(persons):
            tested = [name for name in group if fold_of[name] == self.number]
            rest = [name for name in group if fold_of[name] != self.number]
            n_validation = max(min(round(len(group) * validation), len(rest) - 1), 0)
            parts |= dict.fromkeys(tested, "test")
            parts |= dict.fromkeys(rest[:n_validation], "validation")
            parts |= dict.fromkeys(rest[n_validation:], "train")
        return parts


def deal(persons: Mapping[str, Person], n_folds: int) -> dict[str, int]:
    """Give each person a fold, 1 to n_folds: class by class, so that each has its share of each."""
    everyone = [name for group in _ranked(persons) for name in group]
    return {name: place % n_folds + 1 for place, name in enumerate(everyone)}


def _ranked(persons: Mapping[str, Person]) -> list[list[str]]:
    """List the persons of each class by their keyed hash."""
    classes: dict[int, list[str]] = defaultdict(list)
    for name, person in sorted(persons.items(), key=lambda one: min(one[1].keys)):
        classes[person.label].append(name)
    return [classes[label] for label in sorted(classes)]
