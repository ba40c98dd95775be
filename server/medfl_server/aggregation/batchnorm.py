"""BatchNorm's running means and variances, pooled over sites; no strategy or optimiser sees them.

The mean of all images is the sites' means weighted by their images; the variance is the mean of the
variances plus the variance of the means. Averaging variances alone leaves out how sites differ, and
the model that is scored is then another than the one that was trained.

A running value is a moving average: after n steps a part a = 1 - 0.9**n of it is of this round.
The sites' means have moved apart by a times how their images differ, so the variance of the means
enters divided by a: it then moves by as much as it would have on all images together.
"""

from collections.abc import Mapping

import torch

from medfl_common.models.norms import RUNNING, is_statistic
from medfl_common.models.weights import Weights

MEAN, VARIANCE = RUNNING
MOMENTUM = 0.1  # of torch's BatchNorm: how much of a batch a step takes over


class PooledStatistics:
    """One round's running statistics, as running sums in float64.

    Args:
        before: The global weights that the updates are changes of.
    """

    def __init__(self, before: Mapping[str, torch.Tensor]) -> None:
        self._before = {name: t.double() for name, t in before.items() if is_statistic(name)}
        self._sums = {name: torch.zeros_like(t) for name, t in self._before.items()}
        self._squares = {n: torch.zeros_like(t) for n, t in self._sums.items() if n.endswith(MEAN)}
        self._n_images = 0
        self._moved = 0.0

    def add(self, update: Mapping[str, torch.Tensor], n_images: int, n_steps: int) -> None:
        """Add one site's means and variances after so many steps."""
        for name, before in self._before.items():
            own = before + update[name]
            self._sums[name].add_(own, alpha=n_images)
            if name in self._squares:
                self._squares[name].add_(own.square(), alpha=n_images)
        self._moved += n_images * (1 - (1 - MOMENTUM) ** max(n_steps, 1))
        self._n_images += n_images

    def result(self) -> Weights:
        """Give the pooled statistics, float32; variances are never negative."""
        pooled = {name: total / self._n_images for name, total in self._sums.items()}
        moved = self._moved / self._n_images
        for name, squares in self._squares.items():
            apart = (squares / self._n_images - pooled[name].square()).clamp(min=0)
            variance = name.removesuffix(MEAN) + VARIANCE
            pooled[variance] = (pooled[variance] + apart / moved).clamp(min=0)
        return {name: value.float() for name, value in pooled.items()}
