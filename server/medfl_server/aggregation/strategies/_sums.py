"""A weighted mean of updates as a running sum: memory is O(model)."""

from collections.abc import Mapping

import torch

from medfl_common.models.weights import Weights


class RunningSum:
    """sum_k(weight_k * update_k), and sum_k(weight_k)."""

    def __init__(self) -> None:
        self.total: Weights = {}
        self.weight = 0.0

    def add(self, update: Mapping[str, torch.Tensor], weight: float) -> None:
        """Add an update so many times."""
        if not self.total:
            self.total = {name: tensor * weight for name, tensor in update.items()}
        else:
            for name, tensor in update.items():
                self.total[name].add_(tensor, alpha=weight)
        self.weight += weight

    def mean(self) -> Weights:
        """Give the weighted mean."""
        return {name: tensor / self.weight for name, tensor in self.total.items()}
