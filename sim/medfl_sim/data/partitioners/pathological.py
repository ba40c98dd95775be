"""Sites with only a few classes.

McMahan et al.: Communication-Efficient Learning of Deep Networks from Decentralized Data. AISTATS
2017, section 3. https://arxiv.org/abs/1602.05629
"""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from medfl_common.errors import ConfigError
from medfl_common.plan.settings import Settings
from medfl_sim.data.partitioners import PARTITIONERS, Parts, Table, at_least, by_home


@PARTITIONERS.register("pathological")
class Pathological(Settings):
    """Give each site patients of a few classes; every class is at equally many sites.

    The sites take the classes in turn, in random order. The sites of a class share its patients
    evenly.
    """

    classes: Annotated[int, Field(ge=1)] = 2
    """Classes that each site has."""

    least: ClassVar[int] = 1
    needs_sites: ClassVar[bool] = True

    def partition(self, table: Table, n_sites: int, rng: np.random.Generator) -> Parts:
        """Partition the patients; raises ConfigError if a class would be at no site."""
        at_least(table, n_sites)
        label_of = table.patient_labels()
        labels = rng.permutation(sorted(set(label_of.values())))
        if self.classes > len(labels):
            raise ConfigError(f"{self.classes} classes a site; there are only {len(labels)}")
        if self.classes * n_sites < len(labels):
            raise ConfigError(
                f"{n_sites} sites of {self.classes} classes cannot have all {len(labels)} classes",
                todo="take more sites, or more classes a site",
            )
        homes: dict[int, list[int]] = {int(label): [] for label in labels}
        for place in range(n_sites * self.classes):
            homes[int(labels[place % len(labels)])].append(place // self.classes)
        home: dict[str, int] = {}
        for label, sites in homes.items():
            patients = [patient for patient, value in label_of.items() if value == label]
            for turn, patient in enumerate(rng.permutation(len(patients))):
                home[patients[patient]] = sites[turn % len(sites)]
        return by_home(table, home, n_sites)
