"""A study's own loss, and what medfl makes of what it gives."""

from collections.abc import Sequence

import torch

from medfl_common.errors import TrainingError
from medfl_common.models.brought import loss_of
from medfl_common.parts.losses import LOSSES, OwnLoss
from medfl_common.plan.graph_files import GraphLoss
from medfl_common.plan.own_parts import own_part
from medfl_common.plan.plan import Plan

Logits = torch.Tensor | Sequence[torch.Tensor]


def _own(plan: Plan, name: str) -> OwnLoss:
    if isinstance(plan.training.loss, GraphLoss):
        return GraphLossOf(plan)
    return own_part(LOSSES, name, plan)


class GraphLossOf:
    """A loss that the plan brings as data, over float32 logits and targets."""

    def __init__(self, plan: Plan) -> None:
        self._graph = loss_of(plan)

    def __call__(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Give the loss of each image (B,), or the batch's mean."""
        graph = self._graph.to(logits.device)
        given: torch.Tensor = graph(logits, targets.float())
        return given


class MeanOfOwn:
    """The mean of an own loss over a batch; of a list of levels, that of the finest."""

    def __init__(self, plan: Plan) -> None:
        self._name = plan.training.own_loss
        self._loss = _own(plan, self._name)

    def __call__(self, logits: Logits, targets: torch.Tensor) -> torch.Tensor:
        """Give a scalar."""
        finest = logits if isinstance(logits, torch.Tensor) else logits[0]
        return self._given(finest, targets).mean()

    def of_each(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Give the loss (B,) of each image; TrainingError where the own one gives their mean.

        One that came as data sees one image at a time: nobody has looked whether it joins images.
        """
        if isinstance(self._loss, GraphLossOf):
            pairs = zip(logits, targets, strict=True)
            return torch.stack([self._given(x[None], y[None]).mean() for x, y in pairs])
        found = self._given(logits, targets)
        if found.dim() == 0:
            raise TrainingError(
                f"the loss {self._name} gives a mean, and privacy.noise needs that of each image",
                todo="let it give (B,) losses, of each image alone",
                data="nothing was sent",
            )
        return found

    def _given(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        found = self._loss(logits.float(), targets)
        if not isinstance(found, torch.Tensor) or found.shape not in ((), (len(logits),)):
            seen = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
            raise TrainingError(
                f"the loss {self._name} gives {seen} for {len(logits)} images, not their mean or "
                f"({len(logits)},)",
                todo="correct the loss",
                data="nothing was sent",
            )
        return found
