"""Design effects in a sum of hospitals: each weighted by its images, so the sum gives their mean.

What one hospital tells alone it adds here, and nothing else: see metrics.clusters.
"""

from collections.abc import Sequence

import numpy as np

from medfl_common.metrics.clusters import SCORES, DesignEffects
from medfl_common.metrics.counts import ScoreCounts
from medfl_common.metrics.effect_numbers import PARTS

HEAD = 2  # patients, and hospitals that tell theirs


def n_effect_numbers(n_outputs: int) -> int:
    """Count the numbers for a task of so many outputs."""
    return HEAD + 2 * (len(SCORES) + n_outputs)


def effect_numbers(counts: ScoreCounts | None, n_outputs: int) -> list[int]:
    """Give patients, 1 if they are told; of each score the images, and images times its effect."""
    told = None if counts is None else counts.clusters
    if counts is None or not isinstance(told, DesignEffects):
        return [0] * n_effect_numbers(n_outputs)
    n_patients = told.n_patients or 0
    hundredths = np.rint(told.values * PARTS).astype(np.int64)
    images = counts.n * (hundredths > 0)
    return [n_patients, int(n_patients > 0), *images.tolist(), *(counts.n * hundredths).tolist()]


def effects_of_sum(numbers: Sequence[int], n_scoring: int, n_scored: int) -> DesignEffects | None:
    """Read the mean of what the hospitals added; None: none of them tells any.

    A score has one only if it is of all images: that of some hospitals says nothing of the others.

    Args:
        numbers: The sum.
        n_scoring: Hospitals that added scores.
        n_scored: Their images.
    """
    n_patients, n_telling, *rest = numbers
    images, weighted = np.array(rest, dtype=np.float64).reshape(2, -1)
    if not images.any():
        return None
    values = np.maximum(weighted / max(n_scored, 1) / PARTS, 1.0) * (images == n_scored)
    n = n_patients if n_telling == n_scoring else 0
    return DesignEffects(values, np.full(len(values), n))
