"""ROC and precision-recall from score histograms, with what the binning can have cost.

Every function takes one class's (N_BINS,) counts of its images and of the rest, by log-odds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfl_common.metrics import MAX_LOGIT, N_BINS, Counts, area

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rates:
    """Images by truth and by whether they are called, at one threshold."""

    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int

    @property
    def sensitivity(self) -> float | None:
        """Give the part of the positive images that are called."""
        return _part(self.true_positive, self.true_positive + self.false_negative)

    @property
    def specificity(self) -> float | None:
        """Give the part of the negative images that are not called."""
        return _part(self.true_negative, self.true_negative + self.false_positive)

    @property
    def precision(self) -> float | None:
        """Give the part of the called images that are positive."""
        return _part(self.true_positive, self.true_positive + self.false_positive)


def edges() -> Floats:
    """Give the N_BINS + 1 borders of the bins in log-odds."""
    return np.linspace(-MAX_LOGIT, MAX_LOGIT, N_BINS + 1)


def auc_with_bound(positive: Counts, negative: Counts) -> tuple[float, float] | None:
    """Give the area under the ROC curve, and how far that of the scores themselves can be from it.

    Images of one bin count as ties, a half each; unbinned they lie somewhere between none and all
    in order, so the bound is half of the tied pairs' share. None without images of both kinds.
    """
    n_pairs = float(positive.sum()) * float(negative.sum())
    if not n_pairs:
        return None
    return area(positive, negative), float((positive * negative).sum()) / (2 * n_pairs)


def average_precision_with_bound(positive: Counts, negative: Counts) -> tuple[float, float] | None:
    """Give the average precision, and how far that of the scores themselves can be from it.

    As scikit-learn's, the mean of the precision at each positive image, with images of one bin at
    the bin's lower border. At best the positive images of a bin come first, at worst last.
    """
    p, n = positive[::-1].astype(float), negative[::-1].astype(float)
    if not p.sum() or not n.sum():
        return None
    called = np.cumsum(p + n)
    precision = np.divide(np.cumsum(p), called, out=np.zeros_like(called), where=called > 0)
    value = float((p * precision).sum() / p.sum())
    best, worst = _average_precision_ordered(positive, negative)
    return value, max(best - value, value - worst, 0.0)


def _average_precision_ordered(positive: Counts, negative: Counts) -> tuple[float, float]:
    """Give the average precision with the positive images of each bin first, and with them last."""
    best = worst = 0.0
    n_positive = n_negative = 0
    for p, n in zip(positive[::-1].tolist(), negative[::-1].tolist(), strict=True):
        rank = n_positive + np.arange(1, p + 1)
        best += float((rank / (rank + n_negative)).sum())
        worst += float((rank / (rank + n_negative + n)).sum())
        n_positive, n_negative = n_positive + p, n_negative + n
    return best / n_positive, worst / n_positive


def roc(positive: Counts, negative: Counts) -> tuple[Floats, Floats]:
    """Give (N_BINS + 1,) false and true positive rates, from calling nothing to calling all."""
    return tuple(  # type: ignore[return-value]
        np.concatenate([[0.0], np.cumsum(counts[::-1]) / max(counts.sum(), 1)])
        for counts in (negative, positive)
    )


def rates_at(positive: Counts, negative: Counts, threshold: float) -> Rates:
    """Count at a threshold in log-odds, which is moved to the nearest border of two bins.

    A score at or above it is called; at a border the counts are exact.
    """
    first = int(np.abs(edges() - threshold).argmin())
    called, missed = int(positive[first:].sum()), int(positive[:first].sum())
    return Rates(called, int(negative[first:].sum()), int(negative[:first].sum()), missed)


def sensitivity_at(
    positive: Counts, negative: Counts, specificity: float
) -> tuple[float, float] | None:
    """Give the best sensitivity with at least this specificity, and its threshold in log-odds."""
    if not positive.any() or not negative.any():
        return None
    false, true = roc(positive, negative)
    allowed = np.flatnonzero(1 - false >= specificity - 1e-12)
    best = int(allowed[np.argmax(true[allowed])])
    return float(true[best]), float(edges()[::-1][best])


def youden_threshold(positive: Counts, negative: Counts) -> float | None:
    """Give the log-odds where sensitivity plus specificity is largest; of equals the middle one.

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
