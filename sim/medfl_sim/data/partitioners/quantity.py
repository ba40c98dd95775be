"""Sites of unlike sizes with the same distribution.

Li et al.: Federated Learning on Non-IID Data Silos. ICDE 2022 (quantity skew).
https://arxiv.org/abs/2102.02079
"""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from medfl_common.plan.settings import Number, Settings
from medfl_sim.data.partitioners import PARTITIONERS, Parts, Table, at_least, by_home


@PARTITIONERS.register("quantity")
class Quantity(Settings):
    """Shuffle the patients and cut them into parts of unlike sizes.

    log-normal: sizes as exp(skew z), z standard normal. power: the k-th site's size as k**-skew.
    With skew 0 all sites have one size.
    """

    skew: Annotated[Number, Field(ge=0, le=10)] = 1.0
    """How unlike the sizes are; 0: all alike."""
    law: Literal["log-normal", "power"] = "log-normal"
    """`log-normal`: sizes as exp(skew z). `power`: the k-th site's size as k**-skew."""

    least: ClassVar[int] = 1
    needs_sites: ClassVar[bool] = True

    def partition(self, table: Table, n_sites: int, rng: np.random.Generator) -> Parts:
        """Partition the patients; each site has at least one."""
        at_least(table, n_sites)
        order = list(dict.fromkeys(table.patients))
        if self.law == "power":
            sizes = np.arange(1, n_sites + 1, dtype=np.float64) ** -self.skew
        else:
            sizes = np.exp(self.skew * rng.standard_normal(n_sites))
        spare = len(order) - n_sites
        ends = np.rint(np.cumsum(sizes / sizes.sum()) * spare).astype(int) + np.arange(
            1, n_sites + 1
        )
        places = np.searchsorted(ends, np.arange(len(order)), side="right")
        shuffled = rng.permutation(len(order))
        home = {order[i]: int(site) for i, site in zip(shuffled, places, strict=True)}
        return by_home(table, home, n_sites)
