"""What the scores of a detection must be to be true; of one site."""

import numpy as np

from medfl_common.errors import RunError
from medfl_common.metrics.box_counts import (
    CENTRE,
    N_COARSE_BOX_BINS,
    OVERLAP,
    WITH,
    BoxCounts,
    box_bin_places,
)
from medfl_common.plan.dense import MOST_PEAKS, MOST_TRUTHS
from medfl_common.wire.read_numbers import MAX_COUNT, MAX_LOSS
from medfl_common.wire.tasks import TrainTask


def check_boxes(counts: BoxCounts, task: TrainTask, most: int) -> None:
    """Raise RunError unless counts are of the same images, `most` at the most."""
    if not 1 <= counts.n <= min(most, MAX_COUNT):
        raise RunError(f"n_scored is {counts.n}; 1 to {most} is possible")
    if not 0 <= counts.loss <= MAX_LOSS:
        raise RunError(f"loss is {counts.loss:g}; 0 to {MAX_LOSS:g} is possible")
    if (counts.images.sum(axis=1) > counts.n).any():
        raise RunError(f"a class counts more images than the {counts.n} that were scored")
    if not counts.images.any():
        raise RunError("no class has an image that is told")
    _check_truths(counts)
    _check_bins(counts)
    if not task.is_scoring:
        if np.delete(counts.behind, box_bin_places(N_COARSE_BOX_BINS), axis=1).any():
            raise RunError(f"the boxes of a round are in more than {N_COARSE_BOX_BINS} bins")
        if counts.effects.any():
            raise RunError("effects are of the last scorings, not of a round")
    if ((counts.effects > 0) & (counts.effects < 1)).any():
        raise RunError("an effect is less than 1")


def _check_truths(counts: BoxCounts) -> None:
    """Check that true boxes are where images with the class are, and no more are found."""
    if (counts.truths < counts.images[:, WITH]).any() or counts.truths[
        counts.images[:, WITH] == 0
    ].any():
        raise RunError("the true boxes are not of the images with their class")
    if (counts.truths > MOST_TRUTHS * counts.images[:, WITH]).any() or (
        counts.truths.sum() > MOST_TRUTHS * counts.n
    ):
        raise RunError(f"an image has more than {MOST_TRUTHS} true boxes")
    if (counts.hits.sum(axis=2) > counts.truths[:, None]).any():
        raise RunError("more true boxes are found than there are")


def _check_bins(counts: BoxCounts) -> None:
    """Check that boxes are of the images behind them, as many by both rules."""
    boxes, behind = counts.hits + counts.extra, counts.behind
    if (behind > counts.images.sum(axis=1, keepdims=True)).any():
        raise RunError("more images are behind boxes than were scored for their class")
    if (boxes[:, OVERLAP] < behind).any() or boxes[:, OVERLAP][behind == 0].any():
        raise RunError("the boxes are not of the images behind them")
    most = MOST_PEAKS * counts.images.sum(axis=1)
    if (boxes[:, OVERLAP] > MOST_PEAKS * behind).any() or (
        boxes[:, OVERLAP].sum(axis=1) > most
    ).any():
        raise RunError(f"more than {MOST_PEAKS} boxes of a class are found in an image")
    if (boxes[:, CENTRE] > boxes[:, OVERLAP]).any():
        raise RunError("the centres count more boxes than there are")
