"""ROC and precision-recall from score histograms, with bounds of the binning error.

Every function takes one class's (N_BINS,) counts of its images and of the rest, by log-odds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfl_common.metrics.counts import (
    MAX_LOGIT,
    N_BINS,
    Counts,
    ScoreCounts,
    area,
    average_precision,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rates:
    """Images by truth and by prediction, at one threshold."""

    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int

    @property
    def sensitivity(self) -> float | None:
        """Return the fraction of positive images that the model calls positive."""
        return _part(self.true_positive, self.true_positive + self.false_negative)

    @property
    def specificity(self) -> float | None:
        """Return the fraction of negative images that the model calls negative."""
        return _part(self.true_negative, self.true_negative + self.false_positive)

    @property
    def precision(self) -> float | None:
        """Return the fraction of positive calls that are right."""
        return _part(self.true_positive, self.true_positive + self.false_positive)

    @property
    def negative_predictive_value(self) -> float | None:
        """Return the fraction of negative calls that are right."""
        return _part(self.true_negative, self.true_negative + self.false_negative)


def edges() -> Floats:
    """Return the N_BINS + 1 borders of the bins in log-odds."""
    return np.linspace(-MAX_LOGIT, MAX_LOGIT, N_BINS + 1)


def auc_with_bound(positive: Counts, negative: Counts) -> tuple[float, float] | None:
    """Return the area under the ROC curve, and a bound on its binning error.

    Images of one bin count as ties, a half each; without bins, between none and all of their pairs
    are in order, so the bound is half of the tied pairs' share. None without images of both kinds.
    """
    n_pairs = float(positive.sum()) * float(negative.sum())
    if not n_pairs:
        return None
    return area(positive, negative), float((positive.astype(float) * negative).sum()) / (
        2 * n_pairs
    )


def average_precision_with_bound(positive: Counts, negative: Counts) -> tuple[float, float] | None:
    """Return the average precision, and a bound on its binning error.

    As scikit-learn's with images of one bin as ties. None without images of both kinds.
    """
    if not positive.any() or not negative.any():
        return None
    value = average_precision(positive, negative)
    worst, best = _average_precision_extremes(positive, negative)
    return value, max(best - value, value - worst, 0.0)


def auc_bound(score_counts: ScoreCounts) -> float:
    """Bound the binning error of the AUC, a mean over classes; 0 where there is no AUC."""
    pairs = zip(score_counts.positive, score_counts.negative, strict=True)
    found = [both[1] for p, n in pairs if (both := auc_with_bound(p, n)) is not None]
    return float(np.mean(found)) if found else 0.0


def average_precision_bound(score_counts: ScoreCounts) -> float:
    """Bound the binning error of the average precision, a mean over classes."""
    pairs = zip(score_counts.positive, score_counts.negative, strict=True)
    found = [both[1] for p, n in pairs if (both := average_precision_with_bound(p, n)) is not None]
    return float(np.mean(found)) if found else 0.0


def _average_precision_extremes(positive: Counts, negative: Counts) -> tuple[float, float]:
    """Return the least and the largest average precision of any order within the bins.

    Least: negative images first, then the positive ones one by one. Largest: the positive images
    first and tied, since each counts with the precision at the end of its tie; no order without
    ties reaches it.
    """
    from scipy.special import digamma  # the sum of 1 / k over a run of whole numbers k

    p, n = positive[::-1].astype(float), negative[::-1].astype(float)
    true, false = np.cumsum(p), np.cumsum(n)
    before, false_before = true - p, false - n
    # with i positives and f negatives so far, precision is i / (i + f) = 1 - f / (i + f)
    worst = p - false * (digamma(true + false + 1) - digamma(before + false + 1))
    best = p * true / np.maximum(true + false_before, 1)
    return float(worst.sum() / p.sum()), float(best.sum() / p.sum())


def roc(positive: Counts, negative: Counts) -> tuple[Floats, Floats]:
    """Return (N_BINS + 1,) false and true positive rates, from no positive calls to all.

    The rate of a kind without images stays 0.
    """
    return _called(negative), _called(positive)


def _called(counts: Counts) -> Floats:
    """Return the fraction of images at or above each border, the highest border first."""
    return np.concatenate([[0.0], np.cumsum(counts[::-1]) / max(counts.sum(), 1)])


def rates_at(positive: Counts, negative: Counts, threshold: float) -> Rates:
    """Count at a threshold in log-odds, moved to the nearest border of two bins.

    A score at or above it is a positive call; at a border the counts are exact. The histogram clips
    scores, so the first border calls all images positive and the last calls none.
    """
    within = np.clip(threshold, -MAX_LOGIT, MAX_LOGIT)
    first = int(np.abs(edges() - within).argmin())
    called, missed = int(positive[first:].sum()), int(positive[:first].sum())
    return Rates(called, int(negative[first:].sum()), int(negative[:first].sum()), missed)


def sensitivity_at(
    positive: Counts, negative: Counts, specificity: float
) -> tuple[float, float] | None:
    """Return the best sensitivity with at least this specificity, and its threshold in log-odds.

    Among equals, the threshold with the highest specificity. None without images of both kinds.
    """
    if not positive.any() or not negative.any():
        return None
    best = n_called_bins(positive, negative, specificity)
    return float(roc(positive, negative)[1][best]), float(edges()[::-1][best])


def n_called_bins(positive: Counts, negative: Counts, specificity: float) -> int:
    """Count the bins, from the highest, above the threshold of `sensitivity_at`."""
    false, true = roc(positive, negative)
    allowed = np.flatnonzero(1 - false >= specificity - 1e-12)
    return int(allowed[np.argmax(true[allowed])])


def youden_threshold(positive: Counts, negative: Counts) -> float | None:
    """Return the log-odds where sensitivity + specificity is largest; among equals the middle one.

    Youden: Index for rating diagnostic tests. Cancer 3:32 (1950).
    """
    if not positive.any() or not negative.any():
        return None
    false, true = roc(positive, negative)
    gain = true - false
    equal = np.flatnonzero(gain >= gain.max() - 1e-12)
    return float(edges()[::-1][equal[len(equal) // 2]])


def _part(n: int, of: int) -> float | None:
    return n / of if of else None
