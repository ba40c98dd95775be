"""A detection's scores from what may leave a hospital: boxes counted by score, no box, no place.

Two rules match a found box with a true one of its class, the surest first and each true one once.
OVERLAP, for the average precision: they overlap by an IoU of at least 0.5; all others are false
(PASCAL VOC: Everingham et al., Int J Comput Vis 88:303, 2010). CENTRE, for the FROC: the found
centre is within the true box, in a volume within its ellipsoid; a further one there is neither
found nor false (LUNA16: Setio et al., Med Image Anal 42:1, 2017).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfl_common.metrics.counts import MAX_LOGIT, Counts

N_BOX_BINS = 256  # by the log-odds of a score, over +-counts.MAX_LOGIT
N_COARSE_BOX_BINS = 64  # so many of them are used in the rounds
OVERLAP, CENTRE = range(2)  # rules: the second axis of `hits` and `extra`
HIT, EXTRA, AGAIN = range(3)  # what becomes of a found box
WITH, WITHOUT = range(2)  # columns of `images`
POINTS = (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8)  # false positives an image of the FROC, as LUNA16
N_EFFECTS = len(POINTS) + 2  # of the sensitivity at each point, their mean, the precision
UNKNOWN = -1  # of `FoundBoxes.truths`: nobody says whether the image has the class
SUMMED = ("truths", "images", "hits", "extra", "behind")


@dataclass(frozen=True)
class FoundBoxes:
    """The found boxes one by one (E of them), in N images; they stay at their hospital.

    image, kind, bins: (E,) the image, the class's place, the bin of the score.
    outcome: (E, 2) HIT, EXTRA or AGAIN, by rule.
    truths: (N, K) true boxes of each class, or UNKNOWN.
    patient: (N,) whose image it is.
    """

    image: Counts
    kind: Counts
    bins: Counts
    outcome: Counts
    truths: Counts
    patient: Counts

    def by_image(self, k: int) -> Counts:
        """Count the found boxes of a class, (N, N_BOX_BINS)."""
        return self._count(k, np.ones(len(self.image), dtype=bool))

    def by_image_and_rule(self, k: int, rule: int, outcome: int) -> Counts:
        """Count those with an outcome, (N, N_BOX_BINS)."""
        return self._count(k, self.outcome[:, rule] == outcome)

    def _count(self, k: int, chosen: NDArray[np.bool_]) -> Counts:
        chosen = chosen & (self.kind == k) & (self.truths[self.image, k] != UNKNOWN)
        found = np.zeros((len(self.truths), N_BOX_BINS), dtype=np.int64)
        np.add.at(found, (self.image[chosen], self.bins[chosen]), 1)
        return found


@dataclass(frozen=True)
class BoxCounts:
    """One detection model scored on one set of images, as counts that add up, for K classes.

    truths: (K,) true boxes.
    images: (K, 2) with the class and without; one of which nobody says it is in neither.
    hits, extra: (K, 2, N_BOX_BINS) true boxes found, and false ones, by rule and bin of the score.
    behind: (K, N_BOX_BINS) images with a found box in the bin.
    effects: (K, N_EFFECTS) how many times as large the variance is as if each true box were of
        another patient, one of box_estimates.EFFECT_STEPS; 0: not told.
    found: The boxes themselves, where they are.
    """

    n: int  # images
    loss: float  # mean loss per image
    truths: Counts
    images: Counts
    hits: Counts
    extra: Counts
    behind: Counts
    effects: NDArray[np.float64]
    found: FoundBoxes | None = None


def score_bins(scores: NDArray[np.floating[Any]]) -> Counts:
    """Number the bins of scores of 0..1."""
    exact = scores.astype(np.float64)
    with np.errstate(divide="ignore"):
        odds = np.clip(np.log(exact) - np.log1p(-exact), -MAX_LOGIT, MAX_LOGIT)
    places = np.floor((odds / MAX_LOGIT + 1) / 2 * N_BOX_BINS)
    return np.asarray(np.minimum(places, N_BOX_BINS - 1), dtype=np.int64)


def box_bin_places(n_bins: int) -> Counts:
    """Give the places, 0..N_BOX_BINS - 1, in which `n_bins` coarser bins stand."""
    width = N_BOX_BINS // n_bins
    return np.arange(n_bins) * width + width // 2


def count_found(found: FoundBoxes, loss: float) -> BoxCounts:
    """Count found boxes of images with a mean loss."""
    k = range(found.truths.shape[1])
    known = found.truths != UNKNOWN
    hits, extra = (
        np.stack([
            np.stack([found.by_image_and_rule(i, rule, what).sum(axis=0) for rule in range(2)])
            for i in k
        ])
        for what in (HIT, EXTRA)
    )  # fmt: skip
    images = np.stack([(found.truths > 0).sum(axis=0), (found.truths == 0).sum(axis=0)], axis=1)
    return BoxCounts(
        n=len(found.truths),
        loss=loss,
        truths=(found.truths * known).sum(axis=0),
        images=images,
        hits=hits,
        extra=extra,
        behind=np.stack([(found.by_image(i) > 0).sum(axis=0) for i in k]),
        effects=np.zeros((len(k), N_EFFECTS)),
        found=found,
    )


def merge_boxes(parts: Sequence[BoxCounts]) -> BoxCounts:
    """Add up the counts of disjoint sets of patients; weight the loss by images.

    Effects become their mean by true boxes; that of the sets that tell one stands for the others.
    """
    n = sum(part.n for part in parts)
    loss = sum(part.loss * part.n for part in parts) / max(n, 1)
    weights = np.stack([part.truths[:, None] * (part.effects > 0) for part in parts])
    effects = (np.stack([part.effects for part in parts]) * weights).sum(axis=0)
    sums = {name: np.sum([getattr(part, name) for part in parts], axis=0) for name in SUMMED}
    return BoxCounts(n, loss, **sums, effects=effects / np.maximum(weights.sum(axis=0), 1))


def in_fewer_bins(counts: BoxCounts, n_bins: int) -> BoxCounts:
    """Put boxes into `n_bins` bins as they are; an image behind several may count more than once.

    So counts with and without so many bins can be compared.
    """
    at, lists = box_bin_places(n_bins), [counts.hits, counts.extra, counts.behind]
    fewer = [np.zeros_like(rows) for rows in lists]
    for rows, joined in zip(lists, fewer, strict=True):
        joined[..., at] = rows.reshape(*rows.shape[:-1], n_bins, -1).sum(axis=-1)
    hits, extra, behind = fewer
    return replace(counts, hits=hits, extra=extra, behind=behind, found=None)


def coarser_boxes(counts: BoxCounts, n_bins: int, min_cell: int) -> BoxCounts:
    """Put the boxes into fewer bins, each of no image or of at least `min_cell`; needs `found`.

    From the surest on, bins are joined until so many images are behind their boxes, no image or so
    many are not, and none has more boxes than all others together. What is left over goes to the
    last, or where that would not do is left out, as if the threshold were higher: where no bin is
    filled, all boxes. Joined bins stand at their mean. Bins finer than N_COARSE_BOX_BINS are joined
    within what those would be, so that answers in both, subtracted, tell no more than the finer.
    """
    assert counts.found is not None
    lists = {name: getattr(counts, name).copy() for name in (*SUMMED, "effects")}
    for k in range(len(counts.truths)):
        boxes, n_images = counts.found.by_image(k), int(counts.images[k].sum())
        cells = _cells(boxes, n_bins, n_images, min_cell)
        for name in ("hits", "extra", "behind"):
            lists[name][k] = 0
        for start, end in cells:
            _join(lists, counts, k, boxes, slice(start, end), n_bins)
        if not cells:
            lists["effects"][k] = 0
    return replace(counts, **lists, found=None)


def _join(
    lists: dict[str, Counts], counts: BoxCounts, k: int, boxes: Counts, cell: slice, n_bins: int
) -> None:
    """Add a cell of the finest bins at the one of `n_bins` where its mean is."""
    width = N_BOX_BINS // n_bins
    weights, places = boxes[:, cell].sum(axis=0), np.arange(N_BOX_BINS)[cell] // width
    at = box_bin_places(n_bins)[int((weights * places).sum() / weights.sum() + 0.5)]
    lists["hits"][k, :, at] = counts.hits[k][:, cell].sum(axis=1)
    lists["extra"][k, :, at] = counts.extra[k][:, cell].sum(axis=1)
    lists["behind"][k, at] = (boxes[:, cell].sum(axis=1) > 0).sum()


def _cells(boxes: Counts, n_bins: int, n_images: int, min_cell: int) -> list[tuple[int, int]]:
    """Give where each cell of (N, N_BOX_BINS) boxes begins and ends, the surest first."""
    falling, n = boxes[:, ::-1], min(n_bins, N_COARSE_BOX_BINS)
    ends = _ends(falling, N_BOX_BINS // n, n_images, min_cell)
    if n_bins > n:  # each of these cells is enough, so nothing is left out within it
        pairs, width = [*zip([0, *ends], ends, strict=False)], N_BOX_BINS // n_bins
        ends = [
            start + own
            for start, end in pairs
            for own in _ends(falling[:, start:end], width, n_images, min_cell, joins_all=True)
        ]
    return [(N_BOX_BINS - b, N_BOX_BINS - a) for a, b in zip([0, *ends], ends, strict=False)]


def _ends(
    boxes: Counts, width: int, n_images: int, min_cell: int, joins_all: bool = False
) -> list[int]:
    """Say where cells of (N, places) boxes end.

    What is left joins the last one if that is then enough, or with `joins_all` the last ones that
    are enough with it; else it is left out.
    """
    ends, start, last = [], 0, boxes.shape[1]
    for end in range(width, last + 1, width):
        if _is_enough(boxes[:, start:end].sum(axis=1), n_images, min_cell):
            ends.append(end)
            start = end
    begins = [0, *ends][:-1]
    first = 0 if joins_all else max(len(ends) - 1, 0)
    for i in reversed(range(first, len(ends))):
        if _is_enough(boxes[:, begins[i] :].sum(axis=1), n_images, min_cell):
            return [*ends[:i], last]
    return ends


def _is_enough(boxes: Counts, n_images: int, min_cell: int) -> bool:
    """Say whether enough of `n_images` have boxes, 0 or enough have none, and nobody most of them.

    A cell of 1 asks for one image alone.
    """
    n = int((boxes > 0).sum())
    is_shared = min_cell == 1 or 2 * boxes.max(initial=0) <= boxes.sum()
    return bool(n >= max(min_cell, 1) and n_images - n not in range(1, min_cell) and is_shared)
