"""Metrics from what may leave a hospital: confusion counts and score histograms, no predictions.

The formulas are scikit-learn's, fed with cells and weights instead of images.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]

N_BINS = 128  # bins of a score histogram
MAX_LOGIT = 8.0  # scores are log-odds, clipped to +-8: probabilities 0.0003..0.9997


@dataclass(frozen=True)
class Tally:
    """One model scored on one set of images, as counts that can be added up.

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


def histogram(log_odds: NDArray[np.float64]) -> Counts:
    """Count log-odds in N_BINS equal bins over +-MAX_LOGIT; what is outside is clipped."""
    clipped = np.clip(log_odds, -MAX_LOGIT, MAX_LOGIT)
    counts, _ = np.histogram(clipped, bins=N_BINS, range=(-MAX_LOGIT, MAX_LOGIT))
    return counts.astype(np.int64)


def merge(tallies: list[Tally]) -> Tally:
    """Add up tallies of disjoint sets of images; the loss is weighted by images."""
    n = sum(tally.n for tally in tallies)
    return Tally(
        n=n,
        loss=sum(tally.loss * tally.n for tally in tallies) / max(n, 1),
        confusion=np.sum([tally.confusion for tally in tallies], axis=0),
        positive=np.sum([tally.positive for tally in tallies], axis=0),
        negative=np.sum([tally.negative for tally in tallies], axis=0),
    )


def auc(tally: Tally) -> float | None:
    """Area under the ROC curve from the histograms; multiclass: mean of one against the rest.

    Images in one bin count as ties. None where a class, or the rest, has no image.
    """
    areas = [_auc(p, q) for p, q in zip(tally.positive, tally.negative, strict=True)]
    known = [area for area in areas if area is not None]
    return float(np.mean(known)) if known else None


def _auc(positive: Counts, negative: Counts) -> float | None:
    from sklearn.metrics import roc_auc_score  # a second to import, and not every command needs it

    if not positive.any() or not negative.any():
        return None
    bins = np.arange(len(positive))
    truth = np.repeat([1, 0], len(bins))
    area = roc_auc_score(
        truth, np.tile(bins, 2), sample_weight=np.concatenate([positive, negative])
    )
    return float(area)


def scores(tally: Tally) -> dict[str, float | None]:
    """Accuracy, precision, recall and F1 from the confusion counts, AUC from the histograms.

    Binary: of the positive class; multiclass and multilabel: the unweighted mean over the classes
    or findings (macro). A value that has no images to stand on is None.
    """
    counts = tally.confusion
    if tally.n == 0 or not counts.any():
        return dict.fromkeys(("accuracy", "precision", "recall", "f1", "auc"))
    if counts.ndim == 3:
        parts = np.array([_precision_recall_f1(finding, [1]) for finding in counts])
        known = [part[np.isfinite(part)] for part in parts.T]
        precision, recall, f1 = (part.mean() if len(part) else np.nan for part in known)
    else:
        of = [1] if len(tally.positive) == 1 else list(range(len(counts)))
        precision, recall, f1 = _precision_recall_f1(counts, of)
    values = {
        "accuracy": np.trace(counts, axis1=-2, axis2=-1).sum() / counts.sum(),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "auc": auc(tally),
    }
    return {name: _finite(value) for name, value in values.items()}


def _precision_recall_f1(confusion: Counts, of: list[int]) -> tuple[float, float, float]:
    """Give their mean over the classes `of`, from (K, K) counts."""
    from sklearn.metrics import precision_recall_fscore_support

    truth, predicted = (index.ravel() for index in np.indices(confusion.shape))
    if not confusion.any():
        return np.nan, np.nan, np.nan
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth,
        predicted,
        labels=of,
        average="macro",
        sample_weight=confusion.ravel(),
        zero_division=np.nan,
    )
    return float(precision), float(recall), float(f1)


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None
