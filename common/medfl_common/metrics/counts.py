"""Metrics from what may leave a hospital: confusion counts and score histograms, no predictions.

The definitions are scikit-learn's (the tests hold them against it), written on cells and bins: an
interval needs them some hundred times, and scikit-learn's own take a millisecond each.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medfl_common.metrics.clusters import Clusters, joined

Counts = NDArray[np.int64]

N_BINS = 128  # bins of a score histogram
N_COARSE_BINS = 32  # so many of them are used in the rounds
MAX_LOGIT = 8.0  # scores are log-odds, clipped to +-8: probabilities 0.0003..0.9997


@dataclass(frozen=True)
class ScoreCounts:
    """One model scored on one set of images, as counts that add up.

    confusion: (K, K) images by true class (row) and predicted class (column). Multilabel:
        (K, 2, 2), absent and present for each finding, over the images of which it is known.
    positive, negative: (C, N_BINS) images by log-odds of a class, those of the class and the rest;
        C is 1 for a binary task, else one per class or finding.
    """

    n: int  # images
    loss: float  # mean loss per image
    confusion: Counts
    positive: Counts
    negative: Counts
    clusters: Clusters | None = None  # whose images they are; None: each counts as a patient's
    noise: float = 0.0  # variance of what was added to each of the histograms' bins


def histogram(log_odds: NDArray[np.float64]) -> Counts:
    """Count log-odds in N_BINS equal bins over +-MAX_LOGIT; clip what is outside."""
    clipped = np.clip(log_odds, -MAX_LOGIT, MAX_LOGIT)
    counts, _ = np.histogram(clipped, bins=N_BINS, range=(-MAX_LOGIT, MAX_LOGIT))
    return counts.astype(np.int64)


def in_bins(log_odds: NDArray[np.float64]) -> Counts:
    """Number the bin of each log-odds, as `histogram` has it."""
    clipped = np.clip(log_odds, -MAX_LOGIT, MAX_LOGIT)
    places = np.floor((clipped / MAX_LOGIT + 1) / 2 * N_BINS)
    return np.minimum(places, N_BINS - 1).astype(np.int64)


def coarser(score_counts: ScoreCounts, n_bins: int = N_BINS, min_cell: int = 1) -> ScoreCounts:
    """Put the histograms into fewer bins, each with no image or at least `min_cell`.

    From the lowest score on, bins of a class are joined until they hold so many images, of the
    class and of the rest together; what is left over goes to the last. The images of joined bins
    stand in the bin of their mean. Of `n_bins` equal bins, each is the third of its N_BINS / n_bins
    places. Bins finer than N_COARSE_BINS are joined within what those would be, so that answers in
    both, subtracted, tell of no fewer images.
    """
    pairs = zip(score_counts.positive, score_counts.negative, strict=True)
    found = [_joined(np.stack(pair), N_BINS // n_bins, min_cell) for pair in pairs]
    positive, negative = (np.stack(counts) for counts in zip(*found, strict=True))
    return replace(score_counts, positive=positive, negative=negative)


def bin_places(n_bins: int) -> Counts:
    """Give the places, 0..N_BINS - 1, in which `n_bins` coarser bins stand."""
    width = N_BINS // n_bins
    return np.arange(n_bins) * width + width // 2


def _joined(pair: Counts, width: int, min_cell: int) -> Counts:
    """Join the bins of (2, N_BINS) counts, of a class and of the rest."""
    coarse = pair.reshape(2, -1, width).sum(axis=2)
    ends = _nested_ends(coarse.sum(axis=0), min_cell)
    joined = np.zeros_like(coarse)
    for start, end in zip([0, *ends], ends, strict=False):
        part = coarse[:, start:end]
        n = part.sum(axis=0)
        mean = (n * np.arange(start, end)).sum() / max(n.sum(), 1)
        joined[:, int(mean + 0.5)] += part.sum(axis=1)
    whole = np.zeros_like(pair)
    whole[:, bin_places(coarse.shape[1])] = joined
    return whole


def _nested_ends(n_images: Counts, min_cell: int) -> list[int]:
    """Say where cells end, within those of N_COARSE_BINS where there are more bins."""
    width = max(len(n_images) // N_COARSE_BINS, 1)
    whole = [width * end for end in _ends_of_cells(n_images.reshape(-1, width).sum(1), min_cell)]
    return [
        start + own
        for start, end in zip([0, *whole], whole, strict=False)
        for own in _ends_of_cells(n_images[start:end], min_cell)
    ]


def _ends_of_cells(n_images: Counts, min_cell: int) -> list[int]:
    """Say where cells of at least `min_cell` images end; the last takes what is left."""
    ends, n = [], 0
    for i, more in enumerate(n_images.tolist()):
        n += more
        if n >= min_cell:
            ends.append(i + 1)
            n = 0
    return [*ends[:-1], len(n_images)]


def merge(score_counts: list[ScoreCounts]) -> ScoreCounts:
    """Add up score counts of disjoint sets of images; weight the loss by images."""
    n = sum(score_counts.n for score_counts in score_counts)
    return ScoreCounts(
        n=n,
        loss=sum(score_counts.loss * score_counts.n for score_counts in score_counts) / max(n, 1),
        confusion=np.sum([score_counts.confusion for score_counts in score_counts], axis=0),
        positive=np.sum([score_counts.positive for score_counts in score_counts], axis=0),
        negative=np.sum([score_counts.negative for score_counts in score_counts], axis=0),
        clusters=joined([(one.n, one.clusters) for one in score_counts]),
        noise=sum(one.noise for one in score_counts),
    )


def auc(score_counts: ScoreCounts) -> float | None:
    """Area under the ROC curve from the histograms; multiclass: mean of one against the rest.

    Images in one bin count as ties. None if a class, or the rest, has no image.
    """
    pairs = zip(score_counts.positive, score_counts.negative, strict=True)
    return _mean([area(p, n) for p, n in pairs if p.any() and n.any()])


def area(positive: Counts, negative: Counts) -> float:
    """Area under the ROC curve of (N_BINS,) counts: pairs in the right order, ties as halves."""
    below = np.cumsum(negative) - negative / 2
    return float((positive * below).sum() / (float(positive.sum()) * float(negative.sum())))


def average_precision(positive: Counts, negative: Counts) -> float:
    """Mean precision at each positive image, of (N_BINS,) counts with images in one bin as ties."""
    p, n = positive[::-1].astype(float), negative[::-1].astype(float)
    true, false = np.cumsum(p), np.cumsum(n)
    precision = true / np.maximum(true + false, 1)
    return float((p * precision).sum() / p.sum())


def scores(score_counts: ScoreCounts, quadratic: bool = False) -> dict[str, float | None]:
    """All scores of score counts: AUC and PR AUC, then those of its confusion counts."""
    pairs = zip(score_counts.positive, score_counts.negative, strict=True)
    precisions = [average_precision(p, n) for p, n in pairs if p.any() and n.any()]
    found = {
        "auc": auc(score_counts),
        "pr_auc": _mean(precisions),
        **confusion_scores(score_counts, quadratic),
    }
    return found if score_counts.n and score_counts.confusion.any() else dict.fromkeys(found)


def confusion_scores(score_counts: ScoreCounts, quadratic: bool = False) -> dict[str, float | None]:
    """Accuracy, balanced accuracy, precision, recall, specificity, F1 and Cohen's kappa.

    As scikit-learn defines them. Binary: of the positive class; multiclass: the unweighted mean
    over the classes, each against the rest (macro); multilabel: over the findings. Kappa may be
    quadratic, for grades (Cohen, Psychol Bull 70:213, 1968). A value without images is None.
    """
    tables = (
        score_counts.confusion if score_counts.confusion.ndim == 3 else score_counts.confusion[None]
    )
    only = (
        slice(1, 2)
        if score_counts.confusion.ndim == 3 or len(score_counts.positive) == 1
        else slice(None)
    )
    rows = [_of_table(table.astype(float), only, quadratic) for table in tables]
    names = rows[0].keys()
    means = {name: _mean([row[name] for row in rows if np.isfinite(row[name])]) for name in names}
    total = tables.sum()
    right = np.trace(tables, axis1=1, axis2=2).sum()
    return {"accuracy": float(right / total) if total else None, **means}


def _of_table(table: NDArray[np.float64], only: slice, quadratic: bool) -> dict[str, float]:
    """Score (K, K) counts; the classes `only` go into the means, NaN where there is no image."""
    hits, true, called, n = np.diag(table), table.sum(1), table.sum(0), table.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, precision = hits / true, hits / called
        specificity = (n - true - called + hits) / (n - true)
        f1 = 2 * hits / (true + called)
    grades = np.arange(len(table))
    apart = (grades[:, None] - grades) ** 2 if quadratic else grades[:, None] != grades
    by_chance = float((np.outer(true, called) * apart).sum() / n) if n else 0.0
    return {
        "balanced_accuracy": _nan_mean(recall),
        "precision": _nan_mean(precision[only]),
        "recall": _nan_mean(recall[only]),
        "specificity": _nan_mean(specificity[only]),
        "f1": _nan_mean(f1[only]),
        "kappa": 1 - float((table * apart).sum()) / by_chance if by_chance else np.nan,
    }


def _nan_mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
