"""The counts of a segmentation as lists of whole numbers, as they leave a hospital, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from medfl_common.metrics.counts import Counts
from medfl_common.metrics.mask_counts import (
    HISTOGRAMS,
    IN_TRUTH,
    MASK_EFFECTS,
    N_CASE_BINS,
    PATIENTS,
    MaskCounts,
)

PREFIX = "mask_"
PARTS = 1000  # means and standard deviations are told in thousandths
COUNTED = ("voxels", "lesions", "cases", *HISTOGRAMS)
NAMES = tuple(PREFIX + name for name in (*COUNTED, "means", "deviations"))
EFFECTS = PREFIX + "effects"  # a list that a log or reply may lack
HUNDREDTHS = 100  # effects are told in
VOXELS = PREFIX + "voxels"
MOST_VOXELS = 10**15  # of one class at one site


def shapes(n_classes: int, has_effects: bool = False) -> dict[str, tuple[int, int]]:
    """Give the shape of each list, for so many foreground classes."""
    effects = {EFFECTS: (n_classes, 1 + len(MASK_EFFECTS))} if has_effects else {}
    return effects | {
        name: (n_classes, N_CASE_BINS if name.removeprefix(PREFIX) in HISTOGRAMS else 3)
        for name in NAMES
    }


def to_numbers(counts: MaskCounts) -> dict[str, list[int]]:
    """Write everything but the number of cases and the loss."""
    n = np.maximum(counts.cases[:, [IN_TRUTH]], 1)
    means = counts.sums / n
    deviations = np.sqrt(np.maximum(counts.squares / n - means**2, 0))
    found = {PREFIX + name: getattr(counts, name).ravel().tolist() for name in COUNTED}
    for name, values in (("means", means), ("deviations", deviations)):
        found[PREFIX + name] = np.rint(values * PARTS).astype(np.int64).ravel().tolist()
    if counts.effects is not None:
        told = counts.effects * HUNDREDTHS
        told[:, PATIENTS] = counts.effects[:, PATIENTS]
        found[EFFECTS] = np.rint(told).astype(np.int64).ravel().tolist()
    return found


def from_numbers(n: int, loss: float, told: Mapping[str, Counts]) -> MaskCounts:
    """Read the lists, each in its shape; a mean times its cases is the sum, and so on."""
    lists: dict[str, Any] = {name: told[PREFIX + name] for name in COUNTED}
    means, deviations = (told[PREFIX + name] / PARTS for name in ("means", "deviations"))
    cases = lists["cases"][:, [IN_TRUTH]]
    squares = (means**2 + deviations**2) * cases
    effects = None
    if EFFECTS in told:
        effects = told[EFFECTS] / HUNDREDTHS
        effects[:, PATIENTS] = told[EFFECTS][:, PATIENTS]
    return MaskCounts(n, loss, **lists, sums=means * cases, squares=squares, effects=effects)
