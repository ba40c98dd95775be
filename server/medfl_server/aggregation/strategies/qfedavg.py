"""q-FedAvg: sites on which the model is worse count more, so that it is good at every site.

Li, Sanjabi, Beirami, Smith: Fair Resource Allocation in Federated Learning. ICLR 2020.
https://arxiv.org/abs/1905.10497
"""

from collections.abc import Mapping

import torch

from medfl_common.models.weights import Weights, norm
from medfl_common.plan.algorithms.qfedavg import QFedAvgOptions
from medfl_server.aggregation.strategies import STRATEGIES, AggregationContext, UpdateInfo
from medfl_server.aggregation.strategies._sums import RunningSum

SMALLEST = 1e-10  # a loss of 0 has no power below 1


@STRATEGIES.register("qfedavg")
class QFedAvg:
    """w <- w - sum_k(F_k^q d_k) / sum_k(q F_k^(q-1) |d_k|^2 + L F_k^q), d_k = -L update_k.

    F_k: the loss of the round's weights on the site's training images. L: one over the sites' step
    size. With q = 0 it is the mean of the updates, every site alike.
    """

    needs = 1

    def __init__(self, context: AggregationContext) -> None:
        self._q, self._lipschitz = context.federation.own(QFedAvgOptions).q, 1 / context.rate
        self._steps = RunningSum()
        self._damping = 0.0

    def add(self, update: Mapping[str, torch.Tensor], info: UpdateInfo) -> None:
        """Add one site's step and damping."""
        q, lipschitz, loss = self._q, self._lipschitz, max(info.start_loss, SMALLEST)
        self._steps.add(update, lipschitz * loss**q)
        squared = (lipschitz * norm(update)) ** 2
        self._damping += q * loss ** (q - 1) * squared + lipschitz * loss**q

    def result(self, weights: Mapping[str, torch.Tensor]) -> Weights:
        """Give the weights after the round."""
        total = self._steps.total
        return {name: w + total[name] / self._damping for name, w in weights.items()}

    def state(self) -> Weights:
        """Keep nothing."""
        return {}
