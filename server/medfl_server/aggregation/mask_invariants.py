"""What the scores of a segmentation must be to be true; of one site."""

import math

import numpy as np
from numpy.typing import NDArray

from medfl_common.errors import RunError
from medfl_common.metrics.counts import Counts
from medfl_common.metrics.mask_counts import (
    ABSENT,
    EXTRA,
    FALSE_ALARM,
    HISTOGRAMS,
    HIT,
    IN_TRUTH,
    MISSED,
    N_CASE_BINS,
    N_COARSE_CASE_BINS,
    PATIENTS,
    MaskCounts,
)
from medfl_common.metrics.mask_estimates import MEANS, middles_of_means
from medfl_common.wire.read_numbers import MAX_COUNT, MAX_LOSS
from medfl_common.wire.tasks import TrainTask

MORE = 1.01  # voxels are told with three digits
ROUNDING = 1e-3  # a mean is told in thousandths


def check_masks(counts: MaskCounts, task: TrainTask, most: int) -> None:
    """Raise RunError unless counts are of the same cases, `most` at the most."""
    if not 1 <= counts.n <= min(most, MAX_COUNT):
        raise RunError(f"n_scored is {counts.n}; 1 to {most} is possible")
    if not 0 <= counts.loss <= MAX_LOSS:
        raise RunError(f"loss is {counts.loss:g}; 0 to {MAX_LOSS:g} is possible")
    cases = counts.cases
    if (cases[:, [IN_TRUTH, ABSENT]].sum(axis=1) > counts.n).any() or (
        cases[:, FALSE_ALARM] > cases[:, ABSENT]
    ).any():
        raise RunError(f"a class counts more cases than the {counts.n} that were scored")
    if not cases.any():
        raise RunError("no class has a case that is told")
    for name in HISTOGRAMS:
        if (getattr(counts, name).sum(axis=1) != cases[:, IN_TRUTH]).any():
            raise RunError(f"the histogram of {name} does not count the cases with its class")
    if task.is_scoring:
        _check_truth(counts)
        _check_sizes(counts, math.prod(task.plan.images.shape[1:]))
    elif counts.voxels.any() or counts.lesions.any():
        raise RunError("voxels and lesions are of the last scorings, not of a round")
    if counts.effects is not None:
        _check_effects(counts.effects, cases, task.is_scoring)
    _check_means(counts, N_CASE_BINS if task.is_scoring else N_COARSE_CASE_BINS)


def _check_effects(effects: NDArray[np.float64], cases: Counts, is_scoring: bool) -> None:
    """Check design effects: at least 1, and of no more patients than cases with the class."""
    if not is_scoring and effects.any():
        raise RunError("design effects are of the last scorings, not of a round")
    own = effects[:, 1:]
    if ((own > 0) & (own < 1)).any():
        raise RunError("a design effect is below 1")
    if (effects[:, PATIENTS] > cases[:, IN_TRUTH]).any():
        raise RunError("a class is told of more patients than cases")


def _check_truth(counts: MaskCounts) -> None:
    """Check that voxels and lesions of a truth are where its cases are, and nowhere else."""
    has_cases = counts.cases[:, IN_TRUTH] > 0
    for name in ("voxels", "lesions"):
        found: Counts = getattr(counts, name)
        has_some = found[:, [HIT, MISSED]].any(axis=1)
        if (has_some != has_cases).any() or found[~has_cases].any():
            raise RunError(f"the {name} are not of the cases that have their class")


def _check_sizes(counts: MaskCounts, n_voxels: int) -> None:
    """Check that voxels fit in their cases, each of `n_voxels`, and lesions in their voxels."""
    voxels, lesions = counts.voxels, counts.lesions
    if (voxels.sum(axis=1) > counts.cases[:, IN_TRUTH] * n_voxels * MORE).any():
        raise RunError(f"a class has more than {n_voxels} voxels in a case")
    of_truth = [HIT, MISSED]
    if (lesions[:, of_truth].sum(axis=1) > voxels[:, of_truth].sum(axis=1) * MORE).any() or (
        lesions[:, EXTRA] > voxels.sum(axis=1) * MORE
    ).any():
        raise RunError("a class has more lesions than voxels")


def _check_means(counts: MaskCounts, n_bins: int) -> None:
    """Check that a mean is where its histogram says, as far as the bins are wide."""
    n = np.maximum(counts.cases[:, IN_TRUTH], 1)
    for name, column in MEANS:
        means: NDArray[np.float64] = counts.sums[:, column] / n
        by_bins = getattr(counts, name) @ middles_of_means(name) / n
        # half a bin for the place in it, half for where joined bins stand, and bins at the ends
        if (np.abs(means - by_bins) > 1.1 / n_bins + ROUNDING).any() or (means > 1).any():
            raise RunError(f"the mean of {name} is not what its histogram says")
        # of values from 0 to 1; a deviation is told in thousandths, too
        if (counts.squares[:, column] / n > means + 3 * ROUNDING).any():
            raise RunError(f"the deviation of {name} is more than its mean allows")
