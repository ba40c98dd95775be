"""Every score of a segmentation with its 95 % interval, from counts of cases."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from medfl_common.metrics.counts import Counts
from medfl_common.metrics.estimates import SEED, Estimate, Independent
from medfl_common.metrics.intervals import Interval, student, wilson
from medfl_common.metrics.mask_counts import (
    ABSENT,
    DICE,
    DISTANCE,
    EXTRA,
    FALSE_ALARM,
    HIT,
    IN_TRUTH,
    LONGEST_MM,
    MISSED,
    N_CASE_BINS,
    NO_SURFACE,
    NSD,
    SHORTEST_MM,
    MaskCounts,
    distance_of,
)
from medfl_common.metrics.mask_effects import effects_of_class, of_patients
from medfl_common.seeds import numpy_generator

MASK_SCORES = (
    "dice", "median_dice", "nsd", "hd95", "median_hd95", "volume", "voxel_dice",
    "lesion_sensitivity", "lesion_f1", "false_alarms",
)  # fmt: skip
MEANS = (("dice", DICE), ("nsd", NSD), ("hd95", DISTANCE))  # histograms that have one
MEDIANS = {"median_dice": "dice", "median_hd95": "hd95", "volume": "volume"}  # of histograms
IN_MM = ("hd95", "median_hd95")
ROUNDED = 0.0005  # a mean leaves a hospital in thousandths
FEWEST_BINS = 5  # with cases, from which joined bins give a median
N_DRAWS = 500
FEWEST_OF_A_MEAN = 4  # cases, from which a mean has an interval
FEWEST_CASES = 10  # from which scores may choose a round


def fewest_cases(counts: MaskCounts) -> int:
    """Count the cases with the rarest of the classes that have any; 0: none has."""
    found = counts.cases[:, IN_TRUTH]
    return int(found[found > 0].min(initial=counts.n)) if found.any() else 0


def of_cases(n: int, n_with: int, what: str) -> str:
    """Say of how many cases a score is, and how many have the rarest class that counts."""
    rest = f" (at least {n_with} with each scored class)" if 0 < n_with < n else ""
    return f"{n} {what}{rest}"


def middles_of_shares() -> NDArray[np.float64]:
    """Give the middles of the bins of Dice and NSD."""
    return np.asarray((np.arange(N_CASE_BINS) + 0.5) / N_CASE_BINS)


def middles_mm() -> NDArray[np.float64]:
    """Give the distance in the middle of each bin of HD95; infinite where there is no surface."""
    inner = [distance_of((i + 0.5) / (NO_SURFACE - 1)) for i in range(NO_SURFACE - 1)]
    return np.array([0.0, *inner, np.inf])


def middles_in_order() -> NDArray[np.float64]:
    """Give where the bins of HD95 stand from 0 to 1, as `distance_places` does."""
    return np.append((np.arange(NO_SURFACE) - 0.5).clip(0) / (NO_SURFACE - 1), 1.0)


def middles_of_means(name: str) -> NDArray[np.float64]:
    """Give the middles of the bins of one of MEANS, on the scale of its `sums`."""
    return middles_in_order() if name == "hd95" else middles_of_shares()


def middles_of_volume() -> NDArray[np.float64]:
    """Give the volume difference in the middle of each bin, as part of the true volume."""
    return np.asarray(np.arange(N_CASE_BINS) / N_CASE_BINS * 2 - 1)


def median(row: Counts, middles: NDArray[np.float64]) -> float | None:
    """Give the middle of the bin that holds the middle case, the lower of two; None: no case."""
    total = int(row.sum())
    return float(middles[np.searchsorted(np.cumsum(row), (total + 1) // 2)]) if total else None


def class_scores(
    counts: MaskCounts, k: int, n_bins: int | None = N_CASE_BINS
) -> dict[str, float | None]:
    """Score one foreground class; None where it is in no truth.

    `hd95` is the geometric mean, `median_hd95` the median, in mm; no surface counts as LONGEST_MM
    and as infinite. `volume` is the median difference over the truth's volume. A median of joined
    bins is None where too few of them have cases.

    Args:
        counts: Of all cases.
        k: Place of the class in the foreground.
        n_bins: Bins in use; None: none was joined.
    """
    n = int(counts.cases[k, IN_TRUTH])
    means = counts.sums[k] / n if n else np.zeros(3)
    hit, extra, missed = (float(counts.lesions[k, i]) for i in (HIT, EXTRA, MISSED))
    voxels, absent = counts.voxels[k].astype(float), int(counts.cases[k, ABSENT])
    found: dict[str, float | None] = {
        "dice": float(means[DICE]),
        "median_dice": median(counts.dice[k], middles_of_shares()),
        "nsd": float(means[NSD]),
        "hd95": distance_of(float(means[DISTANCE])),
        "median_hd95": median(counts.hd95[k], middles_mm()),
        "volume": median(counts.volume[k], middles_of_volume()),
        "voxel_dice": _f1(*voxels),
        "lesion_sensitivity": hit / (hit + missed) if hit + missed else None,
        "lesion_f1": _f1(hit, extra, missed),
    }
    if not n:
        found = dict.fromkeys(found)
    for name, row in MEDIANS.items():
        if n and n_bins is not None and not tells_median(counts, k, row, n_bins):
            found[name] = None
    alarms = float(counts.cases[k, FALSE_ALARM])
    return {**found, "false_alarms": alarms / absent if absent else None}


def tells_median(counts: MaskCounts, k: int, name: str, n_bins: int) -> bool:
    """Say whether joined bins give the median of a histogram's cases.

    They do where enough bins have cases, or where the cases are near their bins: where their
    deviation within bins is less than a bin.
    """
    row = getattr(counts, name)[k]
    if np.count_nonzero(row) >= FEWEST_BINS:
        return True
    column = dict(MEANS).get(name)
    if column is None:
        return False
    n, middles = int(row.sum()), middles_of_means(name)
    whole = counts.squares[k, column] - counts.sums[k, column] ** 2 / n
    between = row @ middles**2 - (row @ middles) ** 2 / n
    return bool((whole - between) / n < 1 / n_bins**2)


def mask_scores(counts: MaskCounts, n_bins: int | None = N_CASE_BINS) -> dict[str, float | None]:
    """Score all foreground classes: the unweighted mean over those that have a value."""
    each = [class_scores(counts, k, n_bins) for k in range(len(counts.cases))]
    return {name: _mean([one[name] for one in each]) for name in MASK_SCORES}


def mask_estimates(counts: MaskCounts, n_bins: int = N_CASE_BINS) -> dict[str, Estimate]:
    """Give each score, the mean over classes, with its interval: the mean of theirs.

    So it is wide enough for classes that are hard in the same cases.
    """
    each = [class_estimates(counts, k, n_bins) for k in range(len(counts.cases))]
    return {name: _mean_estimate([one[name] for one in each]) for name in MASK_SCORES}


def class_estimates(counts: MaskCounts, k: int, n_bins: int = N_CASE_BINS) -> dict[str, Estimate]:
    """Give each score of one class with its interval.

    Means: Student's t, by the deviation of the cases. Medians: cases are drawn anew from the bins
    (Efron, Tibshirani 1993), and half a bin is added. Lesions, and cases without the class:
    Wilson (1927). A design effect widens each, that of a mean also its median.
    """
    hit, missed = (float(counts.lesions[k, i]) for i in (HIT, MISSED))
    alarms, absent = (float(counts.cases[k, i]) for i in (FALSE_ALARM, ABSENT))
    n = int(counts.cases[k, IN_TRUTH])
    effects, values = effects_of_class(counts, k), class_scores(counts, k, n_bins)
    drawn = _drawn(counts, k, effects, numpy_generator(SEED, "masks")) if n else {}
    intervals: dict[str, Interval | None] = {k: _middle_95(v) for k, v in drawn.items()}
    intervals |= {
        name: _of_mean(counts, k, name, column, effects[name] or 1.0) for name, column in MEANS
    }
    lesions, absences = (effects[name] or 1.0 for name in ("lesion_sensitivity", "false_alarms"))
    intervals["lesion_sensitivity"] = wilson(hit, hit + missed, lesions)
    intervals["false_alarms"] = wilson(alarms, absent, absences)
    found = {}
    for name, value in values.items():
        of = int(absent) if name == "false_alarms" else n
        one = _estimate(name, value, intervals.get(name), of, n_bins)
        found[name] = of_patients(one, counts, k, MEDIANS.get(name, name))
    return found


def _mean_estimate(each: list[Estimate]) -> Estimate:
    known = [one for one in each if one.value is not None]
    value, low, high = (
        _mean([getattr(one, end) for one in known]) for end in ("value", "low", "high")
    )
    is_whole = all(one.low is not None for one in known)
    n = min((one.n for one in known), default=0)
    bound = max((one.bound for one in known), default=0.0)
    ends = (low, high) if is_whole else (None, None)
    kinds = {one.independent for one in known}
    order: tuple[Independent, ...] = ("too few", "images", "patients")
    whose: Independent = next((kind for kind in order if kind in kinds), "images")
    n_patients = [one.n_patients for one in known if one.n_patients is not None]
    return Estimate(value, *ends, n, bound, whose, min(n_patients, default=None))


def _of_mean(counts: MaskCounts, k: int, name: str, column: int, effect: float) -> Interval | None:
    """Give the interval of a mean by its cases' deviation; None for too few to have one."""
    n = int(counts.cases[k, IN_TRUTH])
    if n < FEWEST_OF_A_MEAN:
        return None
    mean = counts.sums[k, column] / n
    variance = effect * max(counts.squares[k, column] / n - mean**2, 0.0) / (n - 1)
    half = student(n - 1) * float(np.sqrt(variance))
    low, high = max(mean - half, 0.0), min(mean + half, 1.0)
    return (distance_of(low), distance_of(high)) if name == "hd95" else (low, high)


def _drawn(
    counts: MaskCounts, k: int, effects: Mapping[str, float], rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """Give (N_DRAWS,) values of the medians, of as many cases as tell as much as all patients."""
    n = int(counts.cases[k, IN_TRUTH])
    middles = (middles_of_shares(), middles_mm(), middles_of_volume())
    found = {}
    for (score, name), places in zip(MEDIANS.items(), middles, strict=True):
        as_many = max(round(n / (effects[name] or 1.0)), 1)
        rows = rng.multinomial(as_many, getattr(counts, name)[k] / n, N_DRAWS)
        found[score] = _medians(rows, places)
    return found


def _middle_95(values: NDArray[np.float64]) -> Interval:
    """Give the percentile interval; its end is infinite where too many draws see nothing."""
    low, high = np.percentile(values, [2.5, 97.5], method="nearest")
    return float(low), float(high)


def _medians(rows: Counts, middles: NDArray[np.float64]) -> NDArray[np.float64]:
    half = (rows.sum(axis=1) + 1) // 2
    return np.asarray(middles[(np.cumsum(rows, axis=1) >= half[:, None]).argmax(axis=1)])


def _estimate(
    name: str, value: float | None, interval: Interval | None, n: int, n_bins: int
) -> Estimate:
    """Widen an interval by what rounding and bins leave open; a score in mm has no upper end."""
    if value is None or interval is None:
        return Estimate(value, n=n)
    half_bin = 0.5 / n_bins
    bounds = {"dice": ROUNDED, "nsd": ROUNDED, "median_dice": half_bin, "volume": 2 * half_bin}
    bound = bounds.get(name, 0.0)
    low, high = min(interval[0], value) - bound, max(interval[1], value) + bound
    if name in IN_MM:
        off = half_bin if name in MEDIANS else ROUNDED
        step = (LONGEST_MM / SHORTEST_MM) ** (off * N_CASE_BINS / (NO_SURFACE - 1))
        low = low / step if low / step > SHORTEST_MM else 0.0  # the first bin begins at 0
        return Estimate(value, low, max(high * step, SHORTEST_MM), n)
    least = -1.0 if name == "volume" else 0.0
    return Estimate(value, max(low, least), min(high, 1.0), n, bound)


def _f1(hit: float, extra: float, missed: float) -> float | None:
    return 2 * hit / (2 * hit + extra + missed) if hit + extra + missed else None


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
