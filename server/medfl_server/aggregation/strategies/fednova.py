"""FedNova: sites that make more steps do not pull the model their way.

Wang, Liu, Liang, Joshi, Poor: Tackling the Objective Inconsistency Problem in Heterogeneous
Federated Optimization. NeurIPS 2020. https://arxiv.org/abs/2007.07481
"""

from collections.abc import Mapping

import torch

from medfl_common.models.weights import Weights
from medfl_common.plan.training import effective_steps
from medfl_server.aggregation.strategies import STRATEGIES, AggregationContext, UpdateInfo
from medfl_server.aggregation.strategies._sums import RunningSum


@STRATEGIES.register("fednova")
class FedNova:
    """w <- w + tau * sum_k(p_k * update_k / a_k), with p_k = n_k / n, tau = sum_k(p_k * a_k).

    a_k: the plain steps that the site's steps with momentum come to. With a_k alike it is FedAvg.
    """

    needs = 1

    def __init__(self, context: AggregationContext) -> None:
        self._momentum = context.training.momentum
        self._mean = RunningSum()
        self._steps = 0.0

    def add(self, update: Mapping[str, torch.Tensor], info: UpdateInfo) -> None:
        """Add the update's mean step, weighted by images."""
        steps = effective_steps(info.n_steps, self._momentum)
        self._mean.add({name: t / steps for name, t in update.items()}, info.n_images)
        self._steps += info.n_images * steps

    def result(self, weights: Mapping[str, torch.Tensor]) -> Weights:
        """Give the weights after the round."""
        mean, tau = self._mean.mean(), self._steps / self._mean.weight
        return {name: w + tau * mean[name] for name, w in weights.items()}

    def state(self) -> Weights:
        """Keep nothing."""
        return {}
