"""Federated averaging.

McMahan, Moore, Ramage, Hampson, Agueera y Arcas: Communication-Efficient Learning of Deep Networks
from Decentralized Data. AISTATS 2017. https://arxiv.org/abs/1602.05629
"""

from collections.abc import Mapping

import torch

from medfl_common.params import Weights
from medfl_common.plan import Federation
from medfl_server.strategies import STRATEGIES


@STRATEGIES.register("fedavg")
class FedAvg:
    """w <- w + sum_k(n_k * update_k) / sum_k(n_k), as a running sum."""

    needs = 1

    def __init__(self, federation: Federation) -> None:
        self._sum: Weights = {}
        self._n_images = 0

    def add(self, update: Mapping[str, torch.Tensor], n_images: int) -> None:
        """Add n_images times the update to the running sum."""
        if not self._sum:
            self._sum = {name: tensor * n_images for name, tensor in update.items()}
        else:
            for name, tensor in update.items():
                self._sum[name].add_(tensor, alpha=n_images)
        self._n_images += n_images

    def result(self, weights: Mapping[str, torch.Tensor]) -> Weights:
        """Give the weights after the round."""
        return {name: w + self._sum[name] / self._n_images for name, w in weights.items()}
