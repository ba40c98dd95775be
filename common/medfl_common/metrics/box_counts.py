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
        another patient; 0: not told.
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

    From the surest on, bins are joined until so many images are behind their boxes, and none of
    them has more boxes than all others together. What is left over goes to the last, or where that
    would not do is left out, as if the threshold were higher. Joined bins stand at their mean. A
    class that has boxes and no such bin is taken out.
    """
    assert counts.found is not None
    lists = {name: getattr(counts, name).copy() for name in (*SUMMED, "effects")}
    for k in range(len(counts.truths)):
        boxes = counts.found.by_image(k)
        cells = _cells(boxes.reshape(len(boxes), n_bins, -1).sum(axis=2), min_cell)
        if boxes.any() and not cells:
            for rows in lists.values():
                rows[k] = 0
            continue
        for name in ("hits", "extra", "behind"):
            lists[name][k] = 0
        for places in cells:
            _join(lists, counts, k, boxes, places, n_bins)
    return replace(counts, **lists, found=None)


def _join(
    lists: dict[str, Counts], counts: BoxCounts, k: int, boxes: Counts, places: Counts, n_bins: int
) -> None:
    """Add a cell, of some of the coarse bins, at the bin of its mean."""
    inner = (places[:, None] * (N_BOX_BINS // n_bins) + np.arange(N_BOX_BINS // n_bins)).ravel()
    weights = boxes.reshape(len(boxes), n_bins, -1).sum(axis=(0, 2))[places]
    at = box_bin_places(n_bins)[int((weights * places).sum() / weights.sum() + 0.5)]
    lists["hits"][k, :, at] = counts.hits[k][:, inner].sum(axis=1)
    lists["extra"][k, :, at] = counts.extra[k][:, inner].sum(axis=1)
    lists["behind"][k, at] = (boxes[:, inner].sum(axis=1) > 0).sum()


def _cells(boxes: Counts, min_cell: int) -> list[Counts]:
    """Give the coarse bins of each cell, the surest cell first, of (N, n_bins) boxes."""
    ends: list[int] = []  # of cells, from the surest bin on
    falling, start = boxes[:, ::-1], 0
    for end in range(1, boxes.shape[1] + 1):
        if _is_enough(falling[:, start:end].sum(axis=1), min_cell):
            ends.append(end)
            start = end
    if ends:
        begin = ends[-2] if len(ends) > 1 else 0
        if _is_enough(falling[:, begin:].sum(axis=1), min_cell):
            ends[-1] = boxes.shape[1]
    last = boxes.shape[1] - 1
    return [last - np.arange(a, b) for a, b in zip([0, *ends], ends, strict=False)]


def _is_enough(boxes: Counts, min_cell: int) -> bool:
    """Say whether enough images have boxes, and none more than the others together."""
    is_shared = min_cell == 1 or 2 * boxes.max(initial=0) <= boxes.sum()
    return bool((boxes > 0).sum() >= max(min_cell, 1) and is_shared)
