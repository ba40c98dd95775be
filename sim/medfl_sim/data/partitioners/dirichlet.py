"""Sites with different shares of the classes, drawn from a Dirichlet distribution.

Yurochkin et al.: Bayesian Nonparametric Federated Learning. ICML 2019; as in Li et al.: Federated
Learning on Non-IID Data Silos. ICDE 2022. https://arxiv.org/abs/2102.02079
"""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from medfl_common.plan.settings import Number, Settings
from medfl_sim.data.partitioners import PARTITIONERS, Parts, Table, at_least, by_home


@PARTITIONERS.register("dirichlet")
class Dirichlet(Settings):
    """Partition each class's patients by shares from Dirichlet(alpha).

    A small alpha gives sites with one class, a large one is like `iid`.
    """

    alpha: Annotated[Number, Field(gt=0)]
    """Small: sites see few classes. Large: all are alike."""

    least: ClassVar[int] = 10
    needs_sites: ClassVar[bool] = True

    def partition(self, table: Table, n_sites: int, rng: np.random.Generator) -> Parts:
        """Partition the patients, class by class."""
        at_least(table, n_sites)
        classes = table.patient_labels()
        home: dict[str, int] = {}
        for label in sorted(set(classes.values())):
            patients = [patient for patient, value in classes.items() if value == label]
            shares = rng.dirichlet([self.alpha] * n_sites)
            ends = np.rint(np.cumsum(shares) * len(patients)).astype(int)
            order = rng.permutation(len(patients))
            sites = np.searchsorted(ends, np.arange(len(patients)), side="right")
            sites = sites.clip(0, n_sites - 1)
            home |= {patients[i]: int(s) for i, s in zip(order, sites, strict=True)}
        return by_home(table, home, n_sites)
