"""The counts of a detection as lists of whole numbers, as they leave a hospital, and back."""

from collections.abc import Mapping

import numpy as np

from medfl_common.metrics.box_counts import N_BOX_BINS, N_EFFECTS, SUMMED, BoxCounts
from medfl_common.metrics.counts import Counts

PREFIX = "box_"
HUNDREDTHS = 100  # effects are told in
EFFECTS = PREFIX + "effects"
BOX_NAMES = (*(PREFIX + name for name in SUMMED), EFFECTS)
MOST_EFFECT = 10**6  # hundredths


def box_shapes(n_classes: int) -> dict[str, tuple[int, ...]]:
    """Give the shape of each list, for so many classes."""
    shapes: tuple[tuple[int, ...], ...] = (
        (),
        (2,),
        (2, N_BOX_BINS),
        (2, N_BOX_BINS),
        (N_BOX_BINS,),
    )
    own = dict(zip(BOX_NAMES, (*shapes, (N_EFFECTS,)), strict=True))
    return {name: (n_classes, *shape) for name, shape in own.items()}


def boxes_to_numbers(counts: BoxCounts) -> dict[str, list[int]]:
    """Write everything but the number of images, the loss and the boxes themselves."""
    effects = np.rint(np.minimum(counts.effects * HUNDREDTHS, MOST_EFFECT)).astype(np.int64)
    found = {PREFIX + name: getattr(counts, name).ravel().tolist() for name in SUMMED}
    return {**found, EFFECTS: effects.ravel().tolist()}


def boxes_from_numbers(n: int, loss: float, told: Mapping[str, Counts]) -> BoxCounts:
    """Read the lists, each in its shape."""
    lists = {name: told[PREFIX + name] for name in SUMMED}
    return BoxCounts(n, loss, **lists, effects=told[EFFECTS] / HUNDREDTHS, found=None)
