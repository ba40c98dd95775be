"""How well trained images can be told from held-out ones by a model's losses: membership inference.

Per image: the log-odds of the truth by the model, less those by the start model, which has seen
nobody. The calibration is that of Watson, Guo, Cormode, Sablayrolles: On the Importance of
Difficulty Calibration in Membership Inference Attacks. ICLR 2022. https://arxiv.org/abs/2111.08440
It is the weakest attack: one that fails says little.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfl_common.metrics.counts import Counts, area
from medfl_common.metrics.intervals import Interval, delong

EDGES = (-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0)  # between the bins, log-odds
N_MEMBERSHIP_BINS = len(EDGES) + 1
FEWEST_HELD_OUT = 100  # images; with fewer 1 % false alarms say nothing
FALSE_ALARMS = 0.01  # the part of held-out images that may be taken for trained ones


@dataclass(frozen=True)
class Membership:
    """Images by how much better the model knows them than its start did, the least first.

    trained: (12,) images trained on.
    held_out: (12,) validation and test images.
    """

    trained: Counts
    held_out: Counts


@dataclass(frozen=True)
class Attack:
    """What the attack reaches.

    auc: That a trained image looks more like one than a held-out image does.
    found: The part of trained images found at 1 % false alarms at the most; None: too few held out.
    """

    n_trained: int
    n_held_out: int
    auc: float
    interval: Interval | None
    found: float | None
    found_interval: Interval | None


def counted(trained: NDArray[np.float64], held_out: NDArray[np.float64]) -> Membership:
    """Count images by their values."""
    return Membership(*(_in_bins(values) for values in (trained, held_out)))


def merge_membership(every: Sequence[Membership]) -> Membership:
    """Add up counts of sites."""
    return Membership(
        np.sum([one.trained for one in every], axis=0),
        np.sum([one.held_out for one in every], axis=0),
    )


def in_cells(counts: Membership, min_cell: int) -> Membership | None:
    """Join neighbouring bins until each count is 0 or `min_cell`; None where the whole is less.

    What is joined stands in its last bin; what is left over, with the last joined.
    """
    found = np.zeros((2, N_MEMBERSHIP_BINS), dtype=np.int64)
    held, last = np.zeros(2, dtype=np.int64), -1
    for place, pair in enumerate(zip(counts.trained, counts.held_out, strict=True)):
        held = held + pair
        if held.any() and not _is_small(held, min_cell):
            found[:, place], held, last = held, np.zeros(2, dtype=np.int64), place
    while held.any() and last >= 0 and _is_small(held, min_cell):  # down to one that holds it
        held, found[:, last] = held + found[:, last], 0
        place, last = last, int(max(np.flatnonzero(found.any(axis=0)), default=-1))
        if not _is_small(held, min_cell):
            found[:, place], held = held, np.zeros(2, dtype=np.int64)
    is_whole = not held.any() and (found.sum(axis=1) >= min_cell).all()
    return Membership(found[0], found[1]) if is_whole else None


def attack_of(counts: Membership) -> Attack | None:
    """Give what the attack reaches by counts; None where one kind is missing.

    The part found is that of the highest whole bins with 1 % of the held-out images at the most.
    """
    n_trained, n_held_out = int(counts.trained.sum()), int(counts.held_out.sum())
    if not n_trained or not n_held_out:
        return None
    alarms, hits = (np.cumsum(part[::-1]) for part in (counts.held_out, counts.trained))
    hit = int(hits[alarms <= FALSE_ALARMS * n_held_out].max(initial=0))
    is_enough = n_held_out >= FEWEST_HELD_OUT
    return Attack(
        n_trained,
        n_held_out,
        area(counts.trained, counts.held_out),
        delong(counts.trained, counts.held_out),
        hit / n_trained if is_enough else None,
        clopper_pearson(hit, n_trained) if is_enough else None,
    )


def attack_on(trained: NDArray[np.float64], held_out: NDArray[np.float64]) -> Attack | None:
    """Give the same by the values themselves, each a bin of its own."""
    places = np.unique(np.concatenate([trained, held_out]), return_inverse=True)[1]
    n_bins = int(places.max(initial=0)) + 1
    parts = places[: len(trained)], places[len(trained) :]
    return attack_of(Membership(*(np.bincount(part, minlength=n_bins) for part in parts)))


def clopper_pearson(successes: int, n: int) -> Interval:
    """Return the exact 95 % interval of a proportion. Clopper, Pearson: Biometrika 26 (1934)."""
    from scipy.stats import beta  # half a second to import

    low = 0.0 if successes == 0 else float(beta.ppf(0.025, successes, n - successes + 1))
    high = 1.0 if successes == n else float(beta.ppf(0.975, successes + 1, n - successes))
    return low, high


def _in_bins(values: NDArray[np.float64]) -> Counts:
    places = np.digitize(values, EDGES)
    return np.bincount(places, minlength=N_MEMBERSHIP_BINS).astype(np.int64)


def _is_small(pair: Counts, min_cell: int) -> bool:
    return bool(((pair > 0) & (pair < min_cell)).any())
