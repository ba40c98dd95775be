"""Every score of one tally with its 95 % interval, and how sites differ."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from medfl_common.calibration import brier, expected_calibration_error
from medfl_common.curves import average_precision_with_bound, sensitivity_at
from medfl_common.intervals import Interval, bootstrap, delong, wilson
from medfl_common.metrics import Counts, Tally, auc, confusion_scores, scores

SEED = 20260101  # of the draws: the same counts give the same intervals


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; None where it has no images to stand on."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Spread:
    """How one score differs between sites."""

    worst: str  # the site
    lowest: float
    best: str
    highest: float
    deviation: float  # standard deviation


def estimates(tally: Tally, task_type: str, specificity: float = 0.9) -> dict[str, Estimate]:
    """Give every score of a task of `task_type` (as in the plan) with its interval.

    Binary: DeLong for the AUC, Wilson for proportions; all else by the bootstrap.
    """
    quadratic = task_type == "ordinal"
    values = scores(tally, quadratic=quadratic)
    own: dict[str, Callable[[Tally], float | None]] = {
        "auc": auc,
        "pr_auc": _mean_over(_average_precision),
        "sensitivity_at_specificity": _mean_over(lambda p, n: _sensitivity(p, n, specificity)),
        "ece": _mean_over(expected_calibration_error),
        "brier": _mean_over(brier),
    }
    for name, statistic in own.items():
        values[name] = statistic(tally)
    if not tally.n:
        return {name: Estimate(value) for name, value in values.items()}
    exact = _exact(tally, task_type)
    drawn = [name for name in values if name not in exact]
    statistics = [own.get(name) or _from_confusion(name, quadratic) for name in drawn]
    by_draws = bootstrap(tally, statistics, np.random.default_rng(SEED))
    intervals = exact | dict(zip(drawn, by_draws, strict=True))
    return {name: _estimate(value, intervals[name]) for name, value in values.items()}


def spread(sites: Mapping[str, float]) -> Spread | None:
    """Say which site is worst and best; None where none is known."""
    if not sites:
        return None
    worst, best = min(sites, key=sites.__getitem__), max(sites, key=sites.__getitem__)
    return Spread(worst, sites[worst], best, sites[best], float(np.std([*sites.values()])))


def _estimate(value: float | None, interval: Interval | None) -> Estimate:
    if value is None or interval is None:
        return Estimate(value)
    return Estimate(value, min(interval[0], value), max(interval[1], value))


def _exact(tally: Tally, task_type: str) -> dict[str, Interval | None]:
    """Give the intervals that have a formula."""
    right = np.trace(tally.confusion, axis1=-2, axis2=-1).sum()
    found = {"accuracy": wilson(right, tally.confusion.sum())}
    if task_type != "binary":
        return found
    (tn, fp), (fn, tp) = tally.confusion.tolist()
    return found | {
        "auc": delong(tally.positive[0], tally.negative[0]),
        "precision": wilson(tp, tp + fp),
        "recall": wilson(tp, tp + fn),
        "specificity": wilson(tn, tn + fp),
    }


def _from_confusion(name: str, quadratic: bool) -> Callable[[Tally], float | None]:
    return lambda tally: confusion_scores(tally, quadratic)[name]


def _mean_over(one: Callable[[Counts, Counts], float | None]) -> Callable[[Tally], float | None]:
    """Take the mean over the classes or findings that have a value."""

    def mean(tally: Tally) -> float | None:
        found = [one(p, n) for p, n in zip(tally.positive, tally.negative, strict=True)]
        known = [value for value in found if value is not None]
        return float(np.mean(known)) if known else None

    return mean


def _average_precision(positive: Counts, negative: Counts) -> float | None:
    found = average_precision_with_bound(positive, negative)
    return None if found is None else found[0]


def _sensitivity(positive: Counts, negative: Counts, specificity: float) -> float | None:
    found = sensitivity_at(positive, negative, specificity)
    return None if found is None else found[0]
