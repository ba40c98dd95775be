"""How the updates of a round become the change of the global model, one file each.

A strategy adds one admitted update at a time. Averaging then needs memory of O(model); the robust
rules compare the sites, so they keep every update of the round: O(sites x model).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch

from medfl_common.models.weights import Weights
from medfl_common.plan.federation import Federation
from medfl_common.plan.training import Training
from medfl_common.registry import Registry


@dataclass(frozen=True)
class AggregationContext:
    """What a strategy may look at.

    number: the round, from 1; n_sites: on the roster; rate: the sites' learning rate; state: what
    the strategy kept after the round before, empty at first.
    """

    federation: Federation
    training: Training = field(default_factory=Training)
    number: int = 1
    n_sites: int = 1
    rate: float = 0.01
    state: Weights = field(default_factory=dict)


@dataclass(frozen=True)
class UpdateInfo:
    """What came with an update.

    n_images: it was trained on; n_steps: optimiser steps; start_loss: of the round's weights on the
    site's training images, where the plan asks for it; staleness: rounds since it was asked for.
    """

    n_images: int
    n_steps: int = 1
    start_loss: float = 0.0
    staleness: int = 0


class Aggregation(Protocol):
    """One round of one strategy."""

    @property
    def needs(self) -> int:
        """Count the updates below which the strategy's rule says nothing."""

    def add(self, update: Mapping[str, torch.Tensor], info: UpdateInfo) -> None:
        """Add one site's update; sites come in the order of the roster."""

    def result(self, weights: Mapping[str, torch.Tensor]) -> Weights:
        """Give the new global weights; called once, after `needs` updates or more."""

    def state(self) -> Weights:
        """Give what the next round needs; called after `result`. It is in the checkpoint."""


STRATEGIES: Registry[Callable[[AggregationContext], Aggregation]] = Registry(
    "strategy", "medfl_server.aggregation.strategies"
)
