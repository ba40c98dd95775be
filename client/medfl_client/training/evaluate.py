"""A model and a validation split become counts; predictions are not kept and never leave."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from medfl_client.data.dataset import Examples, Indices
from medfl_client.training.losses import classes, log_odds, predicted, task_loss
from medfl_common.metrics.clusters import PatientImages
from medfl_common.metrics.counts import Counts, ScoreCounts, histogram, in_bins
from medfl_common.metrics.subgroups import group_names
from medfl_common.models.network import Network
from medfl_common.plan.plan import Plan

BATCH = 256  # images scored at a time, at most
PIXELS = BATCH * 224 * 224  # and so many pixels
MAPS = 32  # times fewer for a dense network, whose layers keep the image's size


def images_at_once(plan: Plan) -> int:
    """Say how many images go through a network at a time where nothing is trained."""
    if plan.brings_data and plan.privacy.noise is not None:
        return 1  # nobody has looked whether a graph's layers join images; noise hides one patient
    n_pixels = PIXELS // MAPS if plan.task.is_dense else PIXELS
    return max(1, min(BATCH, n_pixels // math.prod(plan.images.shape[1:])))


@torch.no_grad()
def score(
    model: nn.Module,
    images: Examples,
    plan: Plan,
    device: torch.device,
    chosen: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Give (N, K) float32 logits and (N, K) targets of a set, in its order, or of the chosen."""
    model.eval()
    order = torch.arange(len(images)) if chosen is None else chosen
    parts = list(images.batches(order, images_at_once(plan)))
    logits = torch.cat([model(pixels.to(device)).float().cpu() for pixels, _ in parts])
    return logits, torch.cat([targets for _, targets in parts])


@torch.no_grad()
def features_of(
    model: Network,
    images: Examples,
    plan: Plan,
    device: torch.device,
    chosen: torch.Tensor | None = None,
) -> NDArray[np.float64]:
    """Give (N, F) features of the chosen images of a set, or of all."""
    order = torch.arange(len(images)) if chosen is None else chosen
    model.eval()
    body = model.features if images.is_images else torch.nn.Identity()
    batches = images.batches(order, images_at_once(plan))
    found = [body(pixels.to(device)).double().cpu() for pixels, _ in batches]
    return np.asarray(torch.cat(found).numpy())


def count_scores(
    logits: torch.Tensor, targets: torch.Tensor, plan: Plan, patients: Indices | None = None
) -> ScoreCounts:
    """Count scores of (N, K) logits against (N, K) targets; unknown ones do not count.

    `patients` (N,) says whose images they are; it stays beside the counts, and does not leave.
    """
    odds = log_odds(logits, plan)
    cells = _cells(odds, targets, plan)
    is_class, is_known = targets.numpy() > 0.5, ~torch.isnan(targets).numpy()
    columns = list(zip(odds.numpy().T, is_class.T, is_known.T, strict=True))
    return ScoreCounts(
        n=len(targets),
        loss=float(task_loss(plan)(logits, targets)) if len(targets) else 0.0,
        confusion=_confusion(cells, plan),
        positive=np.stack([histogram(o[y & k]) for o, y, k in columns]),
        negative=np.stack([histogram(o[~y & k]) for o, y, k in columns]),
        clusters=None if patients is None else _images(odds, targets, cells, patients),
    )


def count_subgroups(
    logits: torch.Tensor, targets: torch.Tensor, groups: Mapping[str, Indices], plan: Plan
) -> dict[str, list[ScoreCounts]]:
    """Count scores for each group of patients of each kind; `groups` as in SiteData."""
    names = group_names(plan)
    members = {
        kind: [torch.from_numpy(groups[kind] == i) for i in range(len(names[kind]))]
        for kind in names
        if kind in groups
    }
    return {
        kind: [count_scores(logits[chosen], targets[chosen], plan) for chosen in sets]
        for kind, sets in members.items()
    }


def _images(
    odds: torch.Tensor, targets: torch.Tensor, cells: Indices, patients: Indices
) -> PatientImages:
    kind = np.where(torch.isnan(targets).numpy(), -1, targets.numpy() > 0.5).astype(np.int64)
    bins = in_bins(np.nan_to_num(odds.double().numpy()))
    return PatientImages(patients, cells, bins, kind)


def _cells(odds: torch.Tensor, targets: torch.Tensor, plan: Plan) -> Indices:
    """Give (N, F) places in the flat confusion counts, -1 where a finding is unknown."""
    if plan.task.type != "multilabel":
        cell = classes(targets, plan) * plan.task.confusion_shape[1] + predicted(odds, plan)
        return np.asarray(cell.numpy()[:, None], dtype=np.int64)
    finding = torch.arange(targets.shape[1]) * 4
    guess = (torch.sigmoid(odds) >= plan.evaluation.threshold).long()
    known = ~torch.isnan(targets)
    cell = finding + torch.nan_to_num(targets).long() * 2 + guess
    return np.asarray(torch.where(known, cell, -1).numpy(), dtype=np.int64)


def _confusion(cells: Indices, plan: Plan) -> Counts:
    """Count (true, predicted) classes; multilabel: (absent, present) of each finding."""
    shape = plan.task.confusion_shape
    counts = np.bincount(cells[cells >= 0], minlength=math.prod(shape))
    return counts.reshape(shape).astype(np.int64)


def exact_auc(logits: torch.Tensor, targets: torch.Tensor, plan: Plan) -> float | None:
    """Area under the ROC curve by scikit-learn, from the scores; None with one class only.

    Else the mean over the classes, each against the rest, or the findings, that occur and do not.
    """
    from sklearn.metrics import roc_auc_score  # a second to import

    odds = log_odds(logits, plan).numpy()
    areas = []
    for target, scores in zip(targets.numpy().T, odds.T, strict=True):
        is_known = ~np.isnan(target)
        truth = target[is_known] > 0.5
        if truth.any() and not truth.all():
            areas.append(roc_auc_score(truth, scores[is_known]))
    return float(np.mean(areas)) if areas else None
