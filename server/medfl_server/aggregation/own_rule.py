"""A study's own rule: a function of all updates of a round, as a strategy."""

from collections.abc import Mapping

import torch

from medfl_common.errors import RunError
from medfl_common.models.weights import Weights
from medfl_common.parts.rules import OwnRule
from medfl_server.aggregation.strategies import UpdateInfo


class OwnAggregation:
    """w <- w + rule(updates, images): it keeps every update of the round, O(sites x model)."""

    needs = 1

    def __init__(self, name: str, rule: OwnRule) -> None:
        self._name, self._rule = name, rule
        self._updates: list[torch.Tensor] = []
        self._n_images: list[int] = []

    def add(self, update: Mapping[str, torch.Tensor], info: UpdateInfo) -> None:
        """Keep an update, its tensors in one row."""
        self._updates.append(torch.cat([update[name].float().ravel() for name in update]))
        self._n_images.append(info.n_images)

    def result(self, weights: Mapping[str, torch.Tensor]) -> Weights:
        """Give the weights after the round."""
        n_images = torch.tensor(self._n_images, dtype=torch.float32)
        change = self._rule(torch.stack(self._updates), n_images)
        n_weights = sum(tensor.numel() for tensor in weights.values())
        if change.shape != (n_weights,):
            raise RunError(
                f"the strategy {self._name} gives {tuple(change.shape)}, not ({n_weights},)",
                todo="correct it",
            )
        parts = torch.split(change, [tensor.numel() for tensor in weights.values()])
        moved = zip(weights.items(), parts, strict=True)
        return {name: w + part.reshape(w.shape).to(w.dtype) for (name, w), part in moved}

    def state(self) -> Weights:
        """Keep nothing."""
        return {}
