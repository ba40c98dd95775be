"""FedDyn: each site's loss is bent so that the sites' minima meet at the common one.

Acar, Zhao, Matas Navarro, Mattina, Whatmough, Saligrama: Federated Learning Based on Dynamic
Regularization. ICLR 2021. https://arxiv.org/abs/2111.04263
"""

from collections.abc import Mapping

import torch

from medfl_common.models.weights import Weights
from medfl_common.plan.algorithms.feddyn import FedDynOptions
from medfl_server.aggregation.strategies import STRATEGIES, AggregationContext, UpdateInfo
from medfl_server.aggregation.strategies._sums import RunningSum


@STRATEGIES.register("feddyn")
class FedDyn:
    """h <- h - alpha sum_k(update_k) / N, w <- w + mean_k(update_k) - h / alpha; sites alike."""

    needs = 1

    def __init__(self, context: AggregationContext) -> None:
        self._context = context
        self._updates = RunningSum()

    def add(self, update: Mapping[str, torch.Tensor], info: UpdateInfo) -> None:
        """Add one site's update."""
        self._updates.add(update, 1)

    def result(self, weights: Mapping[str, torch.Tensor]) -> Weights:
        """Give the weights after the round."""
        alpha, mean = self._context.federation.own(FedDynOptions).feddyn_alpha, self._updates.mean()
        corrections = self.state()
        return {name: w + mean[name] - corrections[name] / alpha for name, w in weights.items()}

    def state(self) -> Weights:
        """Give h."""
        part = self._context.federation.own(FedDynOptions).feddyn_alpha / self._context.n_sites
        before = self._context.state
        return {name: before.get(name, 0) - part * t for name, t in self._updates.total.items()}
