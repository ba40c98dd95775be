"""Patients partitioned at random: every virtual hospital sees the same distribution."""

from typing import ClassVar

import numpy as np

from medfl_common.plan.settings import Settings
from medfl_sim.data.partitioners import PARTITIONERS, Parts, Table, at_least, by_home


@PARTITIONERS.register("iid")
class Iid(Settings):
    """Shuffle the patients and assign them round-robin to site-1, site-2, ... site-N."""

    least: ClassVar[int] = 1
    needs_sites: ClassVar[bool] = True

    def partition(self, table: Table, n_sites: int, rng: np.random.Generator) -> Parts:
        """Partition the patients; sizes differ by one patient at most."""
        at_least(table, n_sites)
        order = list(dict.fromkeys(table.patients))
        partitioned_sites = rng.permutation(len(order))
        home = {order[patient]: turn % n_sites for turn, patient in enumerate(partitioned_sites)}
        return by_home(table, home, n_sites)
