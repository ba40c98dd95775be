"""FedBuff: no round waits for all; so many updates make one, and old ones count less.

Nguyen, Malik, Zhan, Yousefpour, Rabbat, Malek, Huba: Federated Learning with Buffered Asynchronous
Aggregation. AISTATS 2022. https://arxiv.org/abs/2106.06639
"""

import math
from collections.abc import Mapping

import torch

from medfl_common.models.weights import Weights
from medfl_common.plan.algorithms.fedbuff import FedBuffOptions
from medfl_server.aggregation.strategies import STRATEGIES, AggregationContext, UpdateInfo
from medfl_server.aggregation.strategies.fedavg import FedAvg


@STRATEGIES.register("fedbuff")
class FedBuff(FedAvg):
    """w <- w + lr * sum_k(n_k * s_k * update_k) / sum_k(n_k), s_k = 1 / sqrt(1 + staleness_k).

    The mean is weighted by images; the paper's is not. Who is asked when: see `pending`.
    """

    def __init__(self, context: AggregationContext) -> None:
        super().__init__(context)
        self.needs = context.federation.own(FedBuffOptions).fedbuff_size

    def add(self, update: Mapping[str, torch.Tensor], info: UpdateInfo) -> None:
        """Add an update, less of an old one."""
        damped = 1 / math.sqrt(1 + info.staleness)
        self._mean.add({name: t * damped for name, t in update.items()}, info.n_images)

    def result(self, weights: Mapping[str, torch.Tensor]) -> Weights:
        """Give the weights after the round."""
        mean, rate = self._mean.mean(), self._context.federation.own(FedBuffOptions).server_lr
        return {name: w + rate * mean[name] for name, w in weights.items()}
