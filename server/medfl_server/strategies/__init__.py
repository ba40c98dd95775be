"""How the updates of a round become the change of the global model, one file each.

A strategy folds one admitted update at a time, so its memory is O(model) and not O(sites x model).
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import torch

from medfl_common.params import Weights
from medfl_common.registry import Registry


class Fold(Protocol):
    """One round of one strategy."""

    def add(self, update: Mapping[str, torch.Tensor], n_images: int) -> None:
        """Fold in one site's update; sites come in the order of the roster."""

    def result(self, weights: Mapping[str, torch.Tensor]) -> Weights:
        """Give the new global weights; called once, after at least one update."""


STRATEGIES: Registry[Callable[[], Fold]] = Registry("strategy", "medfl_server.strategies")
