"""Federated averaging.

McMahan, Moore, Ramage, Hampson, Agueera y Arcas: Communication-Efficient Learning of Deep Networks
from Decentralized Data. AISTATS 2017. https://arxiv.org/abs/1602.05629
"""

from collections.abc import Mapping

import torch

from medfl_common.models.weights import Weights
from medfl_server.aggregation.strategies import STRATEGIES, AggregationContext, UpdateInfo
from medfl_server.aggregation.strategies._sums import RunningSum


@STRATEGIES.register("fedavg")
class FedAvg:
    """w <- w + sum_k(n_k * update_k) / sum_k(n_k), as a running sum."""

    needs = 1

    def __init__(self, context: AggregationContext) -> None:
        self._context = context
        self._mean = RunningSum()

    def add(self, update: Mapping[str, torch.Tensor], info: UpdateInfo) -> None:
        """Add n_images times the update to the running sum."""
        self._mean.add(update, info.n_images)

    def result(self, weights: Mapping[str, torch.Tensor]) -> Weights:
        """Give the weights after the round."""
        mean = self._mean.mean()
        return {name: w + mean[name] for name, w in weights.items()}

    def state(self) -> Weights:
        """Keep nothing."""
        return {}
