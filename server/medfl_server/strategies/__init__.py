"""How the updates of a round become the change of the global model, one file each.

A strategy folds one admitted update at a time. Averaging then needs memory of O(model); the robust
rules compare the sites, so they keep every update of the round: O(sites x model).
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import torch

from medfl_common.params import Weights
from medfl_common.plan import Federation
from medfl_common.registry import Registry


class Fold(Protocol):
    """One round of one strategy."""

    @property
    def needs(self) -> int:
        """Count the updates below which the strategy's rule says nothing."""

    def add(self, update: Mapping[str, torch.Tensor], n_images: int) -> None:
        """Fold in one site's update; sites come in the order of the roster."""

    def result(self, weights: Mapping[str, torch.Tensor]) -> Weights:
        """Give the new global weights; called once, after `needs` updates or more."""


STRATEGIES: Registry[Callable[[Federation], Fold]] = Registry("strategy", "medfl_server.strategies")
