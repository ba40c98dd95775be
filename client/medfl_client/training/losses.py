"""The loss of a task, and the log-odds and classes that its logits mean."""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax

from medfl_client.training.box_losses import box_loss
from medfl_client.training.class_balance import class_weights, weight_of
from medfl_client.training.mask_losses import mask_loss
from medfl_client.training.own_losses import MeanOfOwn
from medfl_common.plan.plan import Plan

Loss = Callable[[Any, torch.Tensor], torch.Tensor]  # of what a network gives in training


def task_loss(plan: Plan) -> Loss:
    """Give the mean loss over a batch of (B, K) logits and (B, K) targets; NaN does not count.

    Of a segmentation: over (B, K, [D,] H, W) logits and (B, [D,] H, W) masks. Of a detection: over
    its maps and (B, M, 1 + 2 d) boxes.
    """
    if plan.task.is_dense:
        return mask_loss(plan) if plan.task.has_masks else box_loss(plan)
    return _weighted(plan, None, 0.0)


def training_loss(plan: Plan, targets: torch.Tensor) -> Loss:
    """Give the loss that is trained on: with the plan's class weights and label smoothing.

    A plan's own loss is that alone. `targets` are the (N, K) of the site's training images, from
    which the weights follow.
    """
    if plan.training.own_loss:
        return MeanOfOwn(plan)
    if plan.task.is_dense:
        return mask_loss(plan) if plan.task.has_masks else box_loss(plan)
    is_weighted = plan.training.class_balance == "weights"
    weights = class_weights(targets, plan) if is_weighted else None
    return _weighted(plan, weights, plan.training.label_smoothing)


def each_image_loss(plan: Plan) -> Loss:
    """Give the loss (B,) of each image, that no other image of the batch changes.

    Of several findings the mean over those that are known of the image.
    """
    if plan.training.own_loss:
        return MeanOfOwn(plan).of_each
    each = _of_each_class if plan.task.is_one_of_many else _of_each_finding

    def loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        known = ~torch.isnan(targets)
        losses = each(logits.float(), targets.nan_to_num(), plan.training.label_smoothing)
        if plan.task.is_one_of_many:
            return losses.sum(dim=1)
        return (losses * known).sum(dim=1) / known.sum(dim=1).clamp(min=1)

    return loss


def _weighted(plan: Plan, weights: torch.Tensor | None, smoothing: float) -> Loss:
    each = _of_each_class if plan.task.is_one_of_many else _of_each_finding

    def loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        known = ~torch.isnan(targets)
        truth = targets.nan_to_num()
        losses = each(logits.float(), truth, smoothing)
        if weights is not None:
            losses = losses * weight_of(truth, weights.to(truth.device))
        if plan.task.is_one_of_many:
            return losses.sum() / len(losses)
        return (losses * known).sum() / known.sum().clamp(min=1)  # 0 where nothing is known

    return loss


def _of_each_class(logits: torch.Tensor, targets: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Give (B, K) parts of the cross-entropy, which an image's row adds up to.

    With smoothing every class takes part, at the weight of the image's own class: 0 elsewhere.
    """
    n_classes = targets.shape[1]
    aim = targets * (1 - smoothing) + smoothing / n_classes
    whole = -(aim * log_softmax(logits, dim=1)).sum(dim=1, keepdim=True)
    return whole * targets


def _of_each_finding(logits: torch.Tensor, targets: torch.Tensor, smoothing: float) -> torch.Tensor:
    aim = targets * (1 - smoothing) + smoothing / 2
    return binary_cross_entropy_with_logits(logits, aim, reduction="none")


def losses_of_images(logits: torch.Tensor, targets: torch.Tensor, plan: Plan) -> torch.Tensor:
    """Give (N,) losses of (N, K) logits: the mean over the known findings; 0 where none is."""
    known = ~torch.isnan(targets)
    each = _of_each_class if plan.task.is_one_of_many else _of_each_finding
    losses = each(logits.float(), targets.nan_to_num(), 0.0) * known
    if plan.task.is_one_of_many:
        return losses.sum(dim=1)
    return losses.sum(dim=1) / known.sum(dim=1).clamp(min=1)


def log_odds(logits: torch.Tensor, plan: Plan) -> torch.Tensor:
    """Turn (N, K) logits into (N, K) float64 log-odds of each class against the rest."""
    logits = logits.double()
    if not plan.task.is_one_of_many:
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


def _without(logits: torch.Tensor, k: int) -> torch.Tensor:
    return torch.cat([logits[:, :k], logits[:, k + 1 :]], dim=1)
