"""Predicted masks against true ones, case by case; only counts of them are kept.

Dice: Ecology 26:297 (1945). Normalised surface Dice: Nikolov et al., J Med Internet Res 23:e26151
(2021). A surface is the voxels of a mask that a neighbour across a face does not share, as MONAI
has it; distances are Euclidean, in mm.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy

from medfl_client.data.dataset import Examples, Indices
from medfl_client.training.evaluate import images_at_once
from medfl_client.training.windows import logits_of
from medfl_common.metrics.mask_counts import (
    MOST_OFF,
    CaseScores,
    MaskCounts,
    distance_bins,
    distance_places,
    empty_mask_counts,
    merge_masks,
    share_bins,
    volume_bins,
)
from medfl_common.plan.plan import Plan
from medfl_common.plan.task import UNKNOWN_VOXEL

PERCENTILE = 95
LEAST_IOU = 0.1  # from which a lesion counts as found

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class ClassScores:
    """One class in one case.

    voxels, lesions: In both, predicted only, true only.
    """

    voxels: tuple[int, int, int]
    lesions: tuple[int, int, int]
    nsd: float  # 0..1; NaN: no surface anywhere
    hd95: float  # mm; infinite where only one of the masks has a surface

    @property
    def in_truth(self) -> bool:
        """Say whether the truth has the class."""
        return self.voxels[0] + self.voxels[2] > 0

    @property
    def dice(self) -> float:
        """Twice what both have, over the sum of what each has; 0..1."""
        hit, extra, missed = self.voxels
        return 2 * hit / max(2 * hit + extra + missed, 1)

    @property
    def volume(self) -> float:
        """Predicted minus true volume, over the true one."""
        hit, extra, missed = self.voxels
        return (extra - missed) / max(hit + missed, 1)


@torch.no_grad()
def count_masks(
    model: nn.Module,
    images: Examples,
    plan: Plan,
    device: torch.device,
    patients: Indices | None = None,
) -> MaskCounts:
    """Count the scores of a model on a set, a few cases at a time.

    A case does not count for a class of which its `targets` do not say whether it is there.
    `patients` (N,) says whose cases they are; it stays beside the counts, and does not leave.
    """
    model.eval()
    parts = [empty_mask_counts(len(plan.task.foreground))]
    cases: list[dict[int, ClassScores]] = []
    spacing = spacing_of(plan)
    for places, pixels, masks in _batches(images, plan):
        logits = logits_of(model, pixels.to(device), plan)
        known = ~torch.isnan(images.targets[places])
        predicted = logits.argmax(dim=1).to(torch.uint8).cpu().numpy()
        for i, guess in enumerate(predicted):
            loss = voxel_loss(logits[i], masks[i].to(device))
            scored = {
                k: score_class(guess == k + 1, masks[i].numpy(), k + 1, spacing, plan)
                for k in range(len(plan.task.foreground))
                if known[i, k + 1]
            }
            parts.append(count_case(scored, loss, len(plan.task.foreground)))
            cases.append(scored)
        parts = [merge_masks(parts)]
    if patients is None:
        return parts[0]
    return replace(parts[0], found=one_by_one(cases, patients, len(plan.task.foreground)))


def one_by_one(
    cases: Sequence[dict[int, ClassScores]], patients: Indices, n_classes: int
) -> CaseScores:
    """Keep the scores of each case, by place of the foreground class, for design effects."""
    n = len(cases)
    values, alarms = np.full((n, n_classes, 4), np.nan), np.full((n, n_classes), np.nan)
    lesions = np.zeros((n, n_classes, 2))
    for i, case in enumerate(cases):
        for k, one in case.items():
            if one.in_truth:
                place = distance_places(np.array([one.hd95]))[0]
                off = np.clip(one.volume, -MOST_OFF, MOST_OFF)
                values[i, k] = (one.dice, one.nsd, place, off)
                lesions[i, k] = one.lesions[0], one.lesions[2]
            else:
                alarms[i, k] = one.voxels[1] > 0
    return CaseScores(np.asarray(patients), values, lesions, alarms)


@torch.no_grad()
def loss_on_masks(model: nn.Module, images: Examples, plan: Plan, device: torch.device) -> float:
    """Give the mean loss per case, without the other scores."""
    model.eval()
    losses: list[float] = []
    for _, pixels, masks in _batches(images, plan):
        logits = logits_of(model, pixels.to(device), plan)
        losses += [voxel_loss(*pair) for pair in zip(logits, masks.to(device), strict=True)]
    return float(np.mean(losses)) if losses else 0.0


def voxel_loss(logits: torch.Tensor, mask: torch.Tensor) -> float:
    """Give the mean cross-entropy over the known voxels of a case, whatever loss is trained on."""
    if not bool((mask != UNKNOWN_VOXEL).any()):
        return 0.0
    target = mask.long()[None]
    return float(cross_entropy(logits[None].float(), target, ignore_index=UNKNOWN_VOXEL))


@torch.no_grad()
def dice_of_cases(
    model: nn.Module, images: Examples, plan: Plan, device: torch.device
) -> NDArray[np.float64]:
    """Give the (N, F) Dice of each case and foreground class; NaN where no truth has the class."""
    model.eval()
    values = torch.arange(1, len(plan.task.classes))
    found = [torch.zeros(0, len(values))]
    for places, pixels, masks in _batches(images, plan):
        guess = logits_of(model, pixels.to(device), plan).argmax(dim=1).cpu().flatten(1)
        truth, seen = (one[:, None] == values[:, None] for one in (masks.flatten(1), guess))
        sizes, both = (truth.sum(2) + seen.sum(2)).double(), (truth & seen).sum(2).double()
        is_told = ~torch.isnan(images.targets[places][:, 1:]) & truth.any(2)
        found.append(torch.where(is_told, 2 * both / sizes.clamp(min=1), torch.nan))
    return np.asarray(torch.cat(found).double().numpy())


def count_case(scored: dict[int, ClassScores], loss: float, n_classes: int) -> MaskCounts:
    """Turn the scores of a case, by place of the foreground class, into its counts."""
    counts = empty_mask_counts(n_classes)
    for k, one in scored.items():
        counts.cases[k] = (one.in_truth, not one.in_truth, not one.in_truth and one.voxels[1] > 0)
        if one.in_truth:
            counts.voxels[k], counts.lesions[k] = one.voxels, one.lesions
            mm = np.array([one.hd95])
            counts.dice[k, share_bins(np.array([one.dice]))] = 1
            counts.nsd[k, share_bins(np.array([one.nsd]))] = 1
            counts.hd95[k, distance_bins(mm)] = 1
            counts.volume[k, volume_bins(np.array([one.volume]))] = 1
            counts.sums[k] = (one.dice, one.nsd, distance_places(mm)[0])
            counts.squares[k] = counts.sums[k] ** 2
    return replace(counts, n=1, loss=loss)


def spacing_of(plan: Plan) -> tuple[float, ...]:
    """Give the mm from voxel to voxel along each axis of a mask; 1 unless the plan has them all."""
    return plan.images.voxel_mm or (1.0,) * plan.images.dimensions


def score_class(
    guess: Mask, mask: NDArray[np.uint8], value: int, spacing: tuple[float, ...], plan: Plan
) -> ClassScores:
    """Score where a model sees a class against a mask that says whether it is there.

    Such a class was outlined, so a voxel of which the mask knows nothing is not of it.
    """
    truth = mask == value
    box = _box(truth | guess)
    truth, guess = np.pad(truth[box], 1), np.pad(guess[box], 1)
    hit, n_guess, n_truth = (int(one.sum()) for one in (truth & guess, guess, truth))
    voxels = (hit, n_guess - hit, n_truth - hit)
    if not n_guess or not n_truth:
        nsd, hd95 = (0.0, np.inf) if n_guess or n_truth else (np.nan, np.nan)
    else:
        nsd, hd95 = surface_scores(guess, truth, spacing, plan.evaluation.surface_mm)
    return ClassScores(voxels, match_lesions(guess, truth), nsd, hd95)


def surface_scores(
    guess: Mask, truth: Mask, spacing: tuple[float, ...], tolerance_mm: float
) -> tuple[float, float]:
    """Give NSD and HD95, in mm, of two masks that both have voxels, with a border of none."""
    from scipy.ndimage import binary_erosion, distance_transform_edt

    surfaces = [one ^ binary_erosion(one) for one in (guess, truth)]
    from_guess, from_truth = (
        distance_transform_edt(~other, sampling=spacing)[own]
        for own, other in (surfaces, surfaces[::-1])
    )
    near = (from_guess <= tolerance_mm).sum() + (from_truth <= tolerance_mm).sum()
    farthest = max(float(np.percentile(one, PERCENTILE)) for one in (from_guess, from_truth))
    return float(near / (len(from_guess) + len(from_truth))), farthest


def match_lesions(guess: Mask, truth: Mask) -> tuple[int, int, int]:
    """Count components of the truth found, of the prediction in excess, of the truth missed.

    Components touch by a corner at least. Two match with an IoU of LEAST_IOU.
    """
    from scipy.ndimage import generate_binary_structure, label

    touching = generate_binary_structure(truth.ndim, truth.ndim)
    (of_guess, n_guess), (of_truth, n_truth) = (label(one, touching) for one in (guess, truth))
    both = np.zeros((n_truth + 1, n_guess + 1), dtype=np.int64)
    np.add.at(both, (of_truth.ravel(), of_guess.ravel()), 1)
    union = both.sum(axis=1)[1:, None] + both.sum(axis=0)[None, 1:] - both[1:, 1:]
    matched = both[1:, 1:] >= LEAST_IOU * union
    n_found = int(matched.any(axis=1).sum())
    return n_found, n_guess - int(matched.any(axis=0).sum()), n_truth - n_found


def _batches(
    images: Examples, plan: Plan
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Go through positions, pixels and masks, as many cases together as fit."""
    start = 0
    for pixels, masks in images.batches(torch.arange(len(images)), images_at_once(plan)):
        yield torch.arange(start, start + len(pixels)), pixels, masks
        start += len(pixels)


def _box(mask: Mask) -> tuple[slice, ...]:
    """Give the smallest box that holds a mask."""
    found = []
    for axis in range(mask.ndim):
        others = tuple(i for i in range(mask.ndim) if i != axis)
        (places,) = np.nonzero(mask.any(axis=others))
        found.append(slice(int(places[0]), int(places[-1]) + 1) if len(places) else slice(0, 0))
    return tuple(found)
