"""Every score of score counts with its 95 % interval, and how sites differ."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from medfl_common.metrics.calibration import brier, expected_calibration_error
from medfl_common.metrics.clusters import FEWEST_PATIENTS, SCORES, DesignEffects, PatientImages
from medfl_common.metrics.counts import Counts, ScoreCounts, auc, scores
from medfl_common.metrics.curves import auc_bound, average_precision_bound, sensitivity_at
from medfl_common.metrics.design_effects import design_effects
from medfl_common.metrics.intervals import Interval, bootstrap_all, delong, stretched, wilson
from medfl_common.metrics.noisy_intervals import deviations, widened
from medfl_common.seeds import numpy_generator

SEED = 20260101  # of the draws: the same counts give the same intervals
# What an interval takes for independent. From too few patients there is none.
Independent = Literal["images", "patients", "too few"]
LEAST = {"kappa": -1.0}  # values; those of the other scores begin at 0


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval, which holds the bins' error too; None without images."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0  # images
    bound: float = 0.0  # how far the value may be off, by the histograms' bins
    independent: Independent = "images"
    n_patients: int | None = None  # behind the value, where that is known

    def of_patients(self, effect: float, n_patients: int, n_everybody: int) -> "Estimate":
        """Say whose images these are; without interval where they are of too few patients.

        Args:
            effect: The design effect; 0: not told, or by one patient.
            n_patients: Patients behind the value; 0: not told.
            n_everybody: Patients of all images; as many as images: each has one.
        """
        n, has_several = n_patients or None, n_everybody < self.n
        if effect == 0 or (has_several and n is not None and n < FEWEST_PATIENTS):
            return replace(self, low=None, high=None, independent="too few", n_patients=n)
        return replace(self, independent="patients", n_patients=n)


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
    told = effects_of(score_counts, specificity, quadratic=quadratic or task_type == "ordinal")
    effects = dict(zip(SCORES, _known(told, score_counts), strict=False))
    intervals = bootstrap_all(score_counts, statistics, numpy_generator(SEED, "intervals"))
    intervals = {name: stretched(one, values[name], effects[name], LEAST.get(name, 0.0))
                 for name, one in intervals.items()}  # fmt: skip
    intervals |= _exact(score_counts, task_type, effects)
    if score_counts.noise:
        by_noise = deviations(score_counts, statistics)
        intervals = {
            name: widened(one, values[name], by_noise.get(name, 0.0), LEAST.get(name, 0.0))
            for name, one in intervals.items()
        }
    bounds = {"auc": auc_bound(score_counts), "pr_auc": average_precision_bound(score_counts)}
    return {
        name: _clustered(
            _estimate(value, intervals[name], score_counts.n, bounds.get(name, 0.0)),
            told,
            score_counts.noise > 0,
            SCORES.index(name),
        )
        for name, value in values.items()
    }


def auc_estimate(score_counts: ScoreCounts, task_type: str) -> Estimate:
    """Return only the AUC with its interval; for one curve it costs no draws."""
    value = auc(score_counts) if score_counts.n else None
    if value is None:
        return Estimate(None)
    n, bound = score_counts.n, auc_bound(score_counts)
    told = effects_of(score_counts)
    effect = _known(told, score_counts)[0]

    def only(counted: ScoreCounts) -> dict[str, float | None]:
        return {"auc": auc(counted)}

    if task_type == "binary":
        interval = delong(score_counts.positive[0], score_counts.negative[0], effect)
    else:
        drawn = bootstrap_all(score_counts, only, numpy_generator(SEED, "intervals"))["auc"]
        interval = stretched(drawn, value, effect)
    if score_counts.noise:
        interval = widened(interval, value, deviations(score_counts, only).get("auc", 0.0), 0.0)
    return _clustered(_estimate(value, interval, n, bound), told, score_counts.noise > 0)


def effects_of(
    score_counts: ScoreCounts, specificity: float = 0.9, *, quadratic: bool = False
) -> DesignEffects | None:
    """Return the design effects of score counts, told or computed; None: nobody knows."""
    clusters = score_counts.clusters
    if isinstance(clusters, PatientImages):
        return design_effects(score_counts, clusters, specificity, quadratic)
    return clusters


def _known(told: DesignEffects | None, score_counts: ScoreCounts) -> list[float]:
    """List all design effects; 1 where none is told."""
    n = len(SCORES) + len(score_counts.positive)
    return [1.0] * n if told is None else [float(value) or 1.0 for value in told.values]


def _clustered(
    estimate: Estimate, told: DesignEffects | None, has_noise: bool, place: int = 0
) -> Estimate:
    if told is None or estimate.value is None:  # in noisy counts a patient weighs one
        return replace(estimate, independent="patients") if has_noise else estimate
    effect, n_patients = float(told.values[place]), int(told.patients[place])
    return estimate.of_patients(effect, n_patients, told.n_patients or 0)


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


def _exact(
    score_counts: ScoreCounts, task_type: str, effects: Mapping[str, float]
) -> dict[str, Interval | None]:
    """Compute the intervals that have a formula."""
    right = np.trace(score_counts.confusion, axis1=-2, axis2=-1).sum()
    found = {"accuracy": wilson(right, score_counts.confusion.sum(), effects["accuracy"])}
    if task_type != "binary":
        return found
    (tn, fp), (fn, tp) = score_counts.confusion.tolist()
    return found | {
        "auc": delong(score_counts.positive[0], score_counts.negative[0], effects["auc"]),
        "precision": wilson(tp, tp + fp, effects["precision"]),
        "recall": wilson(tp, tp + fn, effects["recall"]),
        "specificity": wilson(tn, tn + fp, effects["specificity"]),
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
