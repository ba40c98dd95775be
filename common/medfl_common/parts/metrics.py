"""A study's own metrics, which a plan names in `evaluation.own_metrics`.

A metric is computed from the counts that hospitals send anyway, where these are joined: at the
coordinator and in a simulation. So nothing more leaves a hospital because of it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfl_common.registry import Registry

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Counted:
    """What is known of one model on some images.

    Args:
        n: Images.
        loss: Their mean loss, to three digits.
        confusion: (K, K) images by true class (row) and predicted class (column); multilabel:
            (K, 2, 2) for each finding.
        positive: (K, bins) images of a class by its log-odds, from low to high.
        negative: (K, bins) all others, in the same bins.
        edges: (bins - 1,) the log-odds between two bins.
    """

    n: int
    loss: float
    confusion: Counts
    positive: Counts
    negative: Counts
    edges: NDArray[np.float64]


OwnMetric = Callable[[Counted], float]
METRICS: Registry[OwnMetric] = Registry("metric", "medfl_common.parts.metrics", entry="metric")
