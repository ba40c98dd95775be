"""Patients dealt out at random: every virtual hospital sees the same distribution."""

import numpy as np

from medfl_client.dataset import Indices
from medfl_common.errors import ConfigError
from medfl_sim.partitioners import PARTITIONERS, Table


@PARTITIONERS.register("iid")
def iid(
    table: Table, argument: str, n_sites: int | None, rng: np.random.Generator
) -> dict[str, Indices]:
    """Shuffle the patients and deal them round-robin to site-1, site-2, ... site-N."""
    if n_sites is None:
        raise ConfigError("--partition iid needs --sites N")
    order = list(dict.fromkeys(table.patients))
    if n_sites > len(order):
        raise ConfigError(f"--sites {n_sites}: there are only {len(order)} patients")
    dealt = rng.permutation(len(order))
    home = {order[patient]: turn % n_sites for turn, patient in enumerate(dealt)}
    homes = np.array([home[patient] for patient in table.patients])
    return {f"site-{site + 1}": np.flatnonzero(homes == site) for site in range(n_sites)}
