"""Design effects as replies and logs carry them: the patients, then each effect in hundredths."""

import numpy as np

from medfl_common.errors import RunError
from medfl_common.metrics.clusters import SCORES, Clusters, DesignEffects
from medfl_common.metrics.counts import Counts

CLUSTERS = "clusters"
PARTS = 100  # of an effect of 1


def n_numbers(n_outputs: int) -> int:
    """Count the numbers for a task of so many outputs."""
    return 1 + len(SCORES) + n_outputs


def clusters_to_numbers(clusters: Clusters | None) -> list[int] | None:
    """Write design effects; images by patient do not leave, so of them nothing is written."""
    if not isinstance(clusters, DesignEffects):
        return None
    hundredths = np.rint(clusters.values * PARTS).astype(np.int64)
    return [clusters.n_patients or 0, *hundredths.tolist()]


def clusters_from_numbers(numbers: Counts) -> DesignEffects:
    """Read them, or raise RunError where an effect is below 1."""
    values = numbers[1:] / PARTS
    if ((values > 0) & (values < 1)).any():
        raise RunError("a design effect is below 1")
    return DesignEffects(values, np.full(len(values), int(numbers[0])))
