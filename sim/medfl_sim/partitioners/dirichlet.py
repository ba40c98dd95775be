"""Sites with different shares of the classes, drawn from a Dirichlet distribution.

Yurochkin et al.: Bayesian Nonparametric Federated Learning. ICML 2019; as in Li et al.: Federated
Learning on Non-IID Data Silos. ICDE 2022. https://arxiv.org/abs/2102.02079
"""

import math

import numpy as np

from medfl_client.dataset import Indices
from medfl_common.errors import ConfigError
from medfl_sim.partitioners import PARTITIONERS, Table

MIN_PATIENTS = 10  # at each site; the shares are drawn anew until it holds
MAX_DRAWS = 1000


@PARTITIONERS.register("dirichlet")
def dirichlet(
    table: Table, argument: str, n_sites: int | None, rng: np.random.Generator
) -> dict[str, Indices]:
    """Deal each class's patients out by shares from Dirichlet(alpha), `dirichlet:ALPHA`.

    A small alpha gives sites that see one class, a large one is like `iid`. A patient's class is
    the highest among its images. Raises ConfigError where no draw gives each site enough.
    """
    alpha = _alpha(argument)
    if n_sites is None:
        raise ConfigError("--partition dirichlet:ALPHA needs --sites N")
    highest: dict[str, int] = {}
    for patient, label in zip(table.patients, table.labels, strict=True):
        highest[patient] = max(label, highest.get(patient, label))
    for _ in range(MAX_DRAWS):
        home = _deal(highest, alpha, n_sites, rng)
        if np.bincount([*home.values()], minlength=n_sites).min() >= MIN_PATIENTS:
            homes = np.array([home[patient] for patient in table.patients])
            return {f"site-{site + 1}": np.flatnonzero(homes == site) for site in range(n_sites)}
    raise ConfigError(
        f"--partition dirichlet:{argument} --sites {n_sites}: {len(highest)} patients could not be "
        f"dealt out with {MIN_PATIENTS} at each site; take fewer sites or a larger ALPHA"
    )


def _alpha(argument: str) -> float:
    try:
        alpha = float(argument)
    except ValueError:
        alpha = math.nan
    if not 0 < alpha < math.inf:
        raise ConfigError(f"--partition dirichlet:{argument}: write a number above 0, such as 0.3")
    return alpha


def _deal(
    highest: dict[str, int], alpha: float, n_sites: int, rng: np.random.Generator
) -> dict[str, int]:
    home: dict[str, int] = {}
    for label in sorted(set(highest.values())):
        patients = [patient for patient, value in highest.items() if value == label]
        shares = rng.dirichlet([alpha] * n_sites)
        ends = np.rint(np.cumsum(shares) * len(patients)).astype(int)
        order = rng.permutation(len(patients))
        sites = np.searchsorted(ends, np.arange(len(patients)), side="right")
        home |= {
            patients[i]: int(s) for i, s in zip(order, sites.clip(0, n_sites - 1), strict=True)
        }
    return home
