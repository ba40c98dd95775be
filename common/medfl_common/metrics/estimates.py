"""Every score of score counts with its 95 % interval, and how sites differ."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from medfl_common.metrics.calibration import brier, expected_calibration_error
from medfl_common.metrics.counts import Counts, ScoreCounts, auc, scores
from medfl_common.metrics.curves import auc_bound, average_precision_bound, sensitivity_at
from medfl_common.metrics.intervals import Interval, bootstrap_all, delong, wilson
from medfl_common.seeds import numpy_generator

SEED = 20260101  # of the draws: the same counts give the same intervals


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval, which holds the bins' error too; None without images."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0  # images
    bound: float = 0.0  # how far the value may be off, by the histograms' bins


@dataclass(frozen=True)
class Spread:
    """How one score differs between sites."""

    worst: str  # the site
    lowest: float
    best: str
    highest: float
    deviation: float  # population standard deviation over the sites

    @property
    def range(self) -> float:
        """Return the distance of the best site from the worst."""
        return self.highest - self.lowest


def estimates(
    score_counts: ScoreCounts, task_type: str, specificity: float = 0.9, *, quadratic: bool = False
) -> dict[str, Estimate]:
    """Return every score of a task of `task_type` (as in the plan) with its interval.

    Accuracy: Wilson; for a binary task other proportions too, and DeLong for the AUC; all else by
    the bootstrap. Kappa is quadratic for ordinal tasks, or on request. The sensitivity is that
    at the best threshold with at least `specificity`.
    """

    def statistics(counted: ScoreCounts) -> dict[str, float | None]:
        found = scores(counted, quadratic or task_type == "ordinal")
        return found | _curve_scores(counted, specificity)

    values = statistics(score_counts)
    if not score_counts.n:
        return dict.fromkeys(values, Estimate(None))
    rng = numpy_generator(SEED, "intervals")
    intervals = bootstrap_all(score_counts, statistics, rng) | _exact(score_counts, task_type)
    bounds = {"auc": auc_bound(score_counts), "pr_auc": average_precision_bound(score_counts)}
    return {
        name: _estimate(value, intervals[name], score_counts.n, bounds.get(name, 0.0))
        for name, value in values.items()
    }


def auc_estimate(score_counts: ScoreCounts, task_type: str) -> Estimate:
    """Return only the AUC with its interval; for one curve it costs no draws."""
    value = auc(score_counts) if score_counts.n else None
    if value is None:
        return Estimate(None)
    n, bound = score_counts.n, auc_bound(score_counts)
    if task_type == "binary":
        interval = delong(score_counts.positive[0], score_counts.negative[0])
        return _estimate(value, interval, n, bound)

    def only(counted: ScoreCounts) -> dict[str, float | None]:
        return {"auc": auc(counted)}

    rng = numpy_generator(SEED, "intervals")
    return _estimate(value, bootstrap_all(score_counts, only, rng)["auc"], n, bound)


def spread(sites: Mapping[str, float]) -> Spread | None:
    """Return the worst and the best site; None without a known score."""
    if not sites:
        return None
    worst, best = min(sites, key=sites.__getitem__), max(sites, key=sites.__getitem__)
    return Spread(worst, sites[worst], best, sites[best], float(np.std([*sites.values()])))


def _estimate(
    value: float | None, interval: Interval | None, n: int, bound: float = 0.0
) -> Estimate:
    """Join value and interval; widen it to the value, which the bootstrap may miss, and its bins.

    An interval of draws knows nothing of the order within a bin.
    """
    if value is None or interval is None:
        return Estimate(value, n=n, bound=bound)
    low = min(interval[0], max(value - bound, 0.0))
    high = max(interval[1], min(value + bound, 1.0))
    return Estimate(value, min(low, value), max(high, value), n, bound)


def _exact(score_counts: ScoreCounts, task_type: str) -> dict[str, Interval | None]:
    """Compute the intervals that have a formula."""
    right = np.trace(score_counts.confusion, axis1=-2, axis2=-1).sum()
    found = {"accuracy": wilson(right, score_counts.confusion.sum())}
    if task_type != "binary":
        return found
    (tn, fp), (fn, tp) = score_counts.confusion.tolist()
    return found | {
        "auc": delong(score_counts.positive[0], score_counts.negative[0]),
        "precision": wilson(tp, tp + fp),
        "recall": wilson(tp, tp + fn),
        "specificity": wilson(tn, tn + fp),
    }


def _curve_scores(score_counts: ScoreCounts, specificity: float) -> dict[str, float | None]:
    """Score the histograms beyond AUC and PR AUC; the mean over classes or findings."""

    def sensitivity(positive: Counts, negative: Counts) -> float | None:
        found = sensitivity_at(positive, negative, specificity)
        return None if found is None else found[0]

    return {
        "sensitivity_at_specificity": _mean_over(score_counts, sensitivity),
        "ece": _mean_over(score_counts, expected_calibration_error),
        "brier": _mean_over(score_counts, brier),
    }


def _mean_over(
    score_counts: ScoreCounts, one: Callable[[Counts, Counts], float | None]
) -> float | None:
    """Take the mean over the classes or findings that have a value."""
    found = [one(p, n) for p, n in zip(score_counts.positive, score_counts.negative, strict=True)]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None
