"""Federated averaging with momentum at the coordinator.

Hsu, Qi, Brown: Measuring the Effects of Non-Identical Data Distribution for Federated Visual
Classification. 2019. https://arxiv.org/abs/1909.06335
Flower's class keeps weights of its own, which a resumed study would not have; this is its rule.
"""

from collections.abc import Mapping

import torch

from medfl_common.models.weights import Weights
from medfl_common.plan.algorithms.fedavgm import FedAvgMOptions
from medfl_server.aggregation.strategies import STRATEGIES
from medfl_server.aggregation.strategies.fedavg import FedAvg


@STRATEGIES.register("fedavgm")
class FedAvgM(FedAvg):
    """v <- momentum * v + mean update, w <- w + lr * v."""

    def result(self, weights: Mapping[str, torch.Tensor]) -> Weights:
        """Give the weights after the round."""
        options, before = self._context.federation.own(FedAvgMOptions), self._context.state
        mean = self._mean.mean()
        self._velocity = {
            name: options.server_momentum * before[name] + mean[name] if before else mean[name]
            for name in mean
        }
        return {name: w + options.server_lr * self._velocity[name] for name, w in weights.items()}

    def state(self) -> Weights:
        """Give v."""
        return self._velocity
