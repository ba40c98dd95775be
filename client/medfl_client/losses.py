"""The loss of a task, and the log-odds and classes that its logits mean."""

from collections.abc import Callable

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from medfl_common.plan import Plan

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def task_loss(plan: Plan) -> Loss:
    """Give the mean loss over a batch of (B, K) logits and (B, K) targets; NaN does not count."""
    if plan.task.type == "multiclass":
        return cross_entropy
    return (
        _known_cross_entropy
        if plan.task.type == "multilabel"
        else (binary_cross_entropy_with_logits)
    )


def log_odds(logits: torch.Tensor, plan: Plan) -> torch.Tensor:
    """Turn (N, K) logits into (N, K) float64 log-odds of each class against the rest."""
    logits = logits.double()
    if plan.task.type != "multiclass":
        return logits
    others = [torch.logsumexp(_without(logits, k), dim=1) for k in range(logits.shape[1])]
    return logits - torch.stack(others, dim=1)


def predicted(odds: torch.Tensor, plan: Plan) -> torch.Tensor:
    """Turn (N, K) log-odds into (N,) classes; binary: positive at or above the threshold."""
    if plan.task.type == "binary":
        return (torch.sigmoid(odds[:, 0]) >= plan.evaluation.threshold).long()
    return odds.argmax(dim=1)


def classes(targets: torch.Tensor, plan: Plan) -> torch.Tensor:
    """Turn (N, K) targets into (N,) classes."""
    return targets[:, 0].long() if plan.task.type == "binary" else targets.argmax(dim=1)


def _known_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean over the known targets; 0 where there are none."""
    known = ~torch.isnan(targets)
    losses = binary_cross_entropy_with_logits(logits, targets.nan_to_num(), reduction="none")
    return (losses * known).sum() / known.sum().clamp(min=1)


def _without(logits: torch.Tensor, k: int) -> torch.Tensor:
    return torch.cat([logits[:, :k], logits[:, k + 1 :]], dim=1)
