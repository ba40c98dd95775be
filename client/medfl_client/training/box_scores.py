"""The boxes that a model finds against the true ones, image by image; only counts may leave."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from medfl_client.data.dataset import Examples, Indices
from medfl_client.training.box_losses import box_loss
from medfl_client.training.box_matching import by_score, match_by_centre, match_by_overlap
from medfl_client.training.detections import Found, found_in
from medfl_client.training.evaluate import images_at_once
from medfl_client.training.windows import logits_of
from medfl_common.metrics.box_counts import UNKNOWN, BoxCounts, FoundBoxes, count_found, score_bins
from medfl_common.metrics.counts import Counts
from medfl_common.plan.plan import Plan


@torch.no_grad()
def count_boxes(
    model: nn.Module,
    images: Examples,
    plan: Plan,
    device: torch.device,
    patients: Indices | None = None,
) -> BoxCounts:
    """Count the scores of a model on a set; `patients` (N,) says whose the images are."""
    model.eval()
    loss_of, losses = box_loss(plan), [0.0]
    rows, truths = [np.zeros((0, 5), dtype=np.int64)], []
    for places, pixels, boxes in _batches(images, plan):
        maps = logits_of(model, pixels.to(device), plan)
        losses += [float(loss_of(maps[i : i + 1], boxes[i : i + 1].to(device)))
                   for i in range(len(maps))]  # fmt: skip
        for i, found in enumerate(found_in(maps, plan)):
            is_known = ~torch.isnan(images.targets[places[i]]).numpy()
            own = true_boxes(boxes[i])
            truths.append(true_counts(own, is_known))
            rows.append(match_image(found, own, int(places[i])))
    return count_found(as_found(rows, truths, plan, patients), sum(losses) / max(len(truths), 1))


@torch.no_grad()
def loss_on_boxes(model: nn.Module, images: Examples, plan: Plan, device: torch.device) -> float:
    """Give the mean loss per image, without the other scores."""
    model.eval()
    loss_of, losses = box_loss(plan), []
    for _, pixels, boxes in _batches(images, plan):
        maps = logits_of(model, pixels.to(device), plan)
        losses += [float(loss_of(maps[i : i + 1], boxes[i : i + 1].to(device)))
                   for i in range(len(maps))]  # fmt: skip
    return float(np.mean(losses)) if losses else 0.0


def true_boxes(rows: torch.Tensor) -> NDArray[np.float64]:
    """Give the (m, 1 + 2 d) boxes of an image, without the rows that pad."""
    return np.asarray(rows[~torch.isnan(rows).any(dim=1)].double().cpu().numpy())


def true_counts(boxes: NDArray[np.float64], is_known: NDArray[np.bool_]) -> Counts:
    """Count the true boxes of each class; UNKNOWN where nobody says whether it is there."""
    n = np.bincount(boxes[:, 0].astype(np.int64), minlength=len(is_known))
    return np.where(is_known, n, UNKNOWN)


def match_image(found: Found, truths: NDArray[np.float64], place: int = 0) -> Counts:
    """Match what is found in an image, class by class.

    Args:
        found: The boxes.
        truths: (m, 1 + 2 d) true boxes.
        place: Of the image in its set.

    Returns:
        (n, 5) the image, class, bin, and the outcome by each rule.
    """
    rows = [np.zeros((0, 5), dtype=np.int64)]
    for k in np.unique(found.classes):
        (own,) = np.nonzero(found.classes == k)
        own = own[by_score(found.scores[own], found.boxes[own])]
        boxes, true = found.boxes[own].astype(np.float64), truths[truths[:, 0] == k, 1:]
        outcomes = match_by_overlap(boxes, true), match_by_centre(boxes, true)
        head = np.full(len(own), place), np.full(len(own), k), score_bins(found.scores[own])
        rows.append(np.stack([*head, *outcomes], axis=1))
    return np.concatenate(rows)


def as_found(
    rows: list[Counts], truths: list[Counts], plan: Plan, patients: Indices | None = None
) -> FoundBoxes:
    """Join matched images; without `patients` each is another patient's."""
    image, kind, bins, *outcome = np.concatenate([np.zeros((0, 5)), *rows]).astype(np.int64).T
    known = np.array(truths, dtype=np.int64).reshape(len(truths), len(plan.task.foreground))
    whose = np.arange(len(truths)) if patients is None else np.asarray(patients)
    return FoundBoxes(image, kind, bins, np.stack(outcome, axis=1), known, whose)


def _batches(
    images: Examples, plan: Plan
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Go through positions, pixels and boxes, as many images together as fit."""
    start = 0
    for pixels, boxes in images.batches(torch.arange(len(images)), images_at_once(plan)):
        yield torch.arange(start, start + len(pixels)), pixels, boxes
        start += len(pixels)
