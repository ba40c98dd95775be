"""Found boxes against true ones, in one image; see medfl_common.metrics.box_counts for the rules.

Boxes are (n, 2 d): centre ([z,] y, x) and sides ([d,] h, w).
"""

import numpy as np
from numpy.typing import NDArray

from medfl_common.metrics.box_counts import AGAIN, EXTRA, HIT
from medfl_common.metrics.counts import Counts

LEAST_IOU = 0.5

Floats = NDArray[np.float64]


def by_score(scores: NDArray[np.float32], boxes: NDArray[np.float32]) -> Counts:
    """Give the order from the surest box on; of equal scores, as their boxes stand."""
    return np.asarray(np.lexsort((*boxes.T[::-1], -scores)))


def match_by_overlap(found: Floats, truths: Floats) -> Counts:
    """Say of each found box, the surest first, whether it is a HIT or EXTRA.

    It takes the true box, of those that are left, that it overlaps most, by LEAST_IOU at least.
    """
    overlaps = overlap(found, truths)
    return _taken(np.where(overlaps >= LEAST_IOU, overlaps, -np.inf), EXTRA)


def match_by_centre(found: Floats, truths: Floats) -> Counts:
    """Say of each found box, the surest first, whether it is a HIT, AGAIN or EXTRA.

    It takes the true box, of those that are left, whose centre is nearest, in halves of its
    sides. In a plane its own centre must be within the box, in a volume within the ellipsoid.
    """
    d = found.shape[1] // 2
    sides = np.maximum(truths[:, d:], np.finfo(np.float64).tiny)
    apart = np.abs(found[:, None, :d] - truths[None, :, :d]) / (sides / 2)
    far = apart.max(axis=2) if d == 2 else np.sqrt((apart**2).sum(axis=2))
    return _taken(np.where(far <= 1, -far, -np.inf), AGAIN)


def overlap(found: Floats, truths: Floats) -> Floats:
    """Give the (n, m) IoU of boxes."""
    d = found.shape[1] // 2
    low, high = (
        [one[:, :d] + sign * one[:, d:] / 2 for one in (found, truths)] for sign in (-1, 1)
    )
    sides = np.minimum(high[0][:, None], high[1]) - np.maximum(low[0][:, None], low[1])
    both = np.clip(sides, 0, None).prod(axis=2)
    union = found[:, None, d:].prod(axis=2) + truths[:, d:].prod(axis=1) - both
    return np.asarray(both / np.maximum(union, np.finfo(np.float64).tiny))


def _taken(worth: Floats, otherwise: int) -> Counts:
    """Give each row, in order, the column worth most that is left; -inf is none.

    A row whose columns are all taken is `otherwise`; one without any is EXTRA.
    """
    fits = np.isfinite(worth).any(axis=1)
    outcome = np.where(fits, otherwise, EXTRA)
    worth = worth.copy()
    for i in np.flatnonzero(fits).tolist():
        best = int(worth[i].argmax())
        if np.isfinite(worth[i, best]):
            outcome[i] = HIT
            worth[:, best] = -np.inf
    return outcome.astype(np.int64)
