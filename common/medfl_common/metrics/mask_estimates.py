"""Every score of a segmentation with its 95 % interval, from counts of cases."""

import numpy as np
from numpy.typing import NDArray

from medfl_common.metrics.counts import Counts
from medfl_common.metrics.estimates import SEED, Estimate
from medfl_common.metrics.intervals import Interval, wilson
from medfl_common.metrics.mask_counts import (
    ABSENT,
    DICE,
    DISTANCE,
    EXTRA,
    FALSE_ALARM,
    HISTOGRAMS,
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
from medfl_common.seeds import numpy_generator

MASK_SCORES = (
    "dice", "median_dice", "nsd", "hd95", "median_hd95", "volume", "voxel_dice",
    "lesion_sensitivity", "lesion_f1", "false_alarms",
)  # fmt: skip
MEANS = (("dice", DICE), ("nsd", NSD), ("hd95", DISTANCE))  # histograms that have one
IN_MM = ("hd95", "median_hd95")
ROUNDED = 0.0005  # a mean leaves a hospital in thousandths
HALF_BIN = 0.5 / N_CASE_BINS
N_DRAWS = 500
# (cases fewer than, digits after the point); a Dice differs less by case than a yes or no
CASE_DIGITS = ((5, 1), (500, 2))
FEWEST_CASES = 10  # from which scores may choose a round


def case_digits(n: int) -> int:
    """Count the digits after the point that n cases allow a Dice."""
    return next((most for fewest, most in CASE_DIGITS if n < fewest), 3)


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
    return middles_of_shares() * 2 - 1


def median(row: Counts, middles: NDArray[np.float64]) -> float | None:
    """Give the middle of the bin that holds the middle case, the lower of two; None: no case."""
    total = int(row.sum())
    return float(middles[np.searchsorted(np.cumsum(row), (total + 1) // 2)]) if total else None


def class_scores(counts: MaskCounts, k: int) -> dict[str, float | None]:
    """Score one foreground class; None where it is in no truth.

    `hd95` is the geometric mean, `median_hd95` the median, in mm; no surface counts as LONGEST_MM
    and as infinite. `volume` is the median difference over the truth's volume.
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
    alarms = float(counts.cases[k, FALSE_ALARM])
    return {**found, "false_alarms": alarms / absent if absent else None}


def mask_scores(counts: MaskCounts) -> dict[str, float | None]:
    """Score all foreground classes: the unweighted mean over those that have a value."""
    each = [class_scores(counts, k) for k in range(len(counts.cases))]
    return {name: _mean([one[name] for one in each]) for name in MASK_SCORES}


def mask_estimates(counts: MaskCounts) -> dict[str, Estimate]:
    """Give each score, the mean over classes, with its interval: the mean of theirs.

    So it is wide enough for classes that are hard in the same cases.
    """
    each = [class_estimates(counts, k) for k in range(len(counts.cases))]
    return {name: _mean_estimate([one[name] for one in each]) for name in MASK_SCORES}


def class_estimates(counts: MaskCounts, k: int) -> dict[str, Estimate]:
    """Give each score of one class with its interval, which holds what the bins leave open, too.

    Cases are drawn anew from the bins (Efron, Tibshirani 1993); lesions, and cases without the
    class, are taken for independent (Wilson 1927).
    """
    hit, missed = (float(counts.lesions[k, i]) for i in (HIT, MISSED))
    alarms, absent = (float(counts.cases[k, i]) for i in (FALSE_ALARM, ABSENT))
    n = int(counts.cases[k, IN_TRUTH])
    drawn = _drawn(counts, k, numpy_generator(SEED, "masks")) if n else {}
    intervals: dict[str, Interval | None] = {k: _middle_95(v) for k, v in drawn.items()}
    intervals["lesion_sensitivity"] = wilson(hit, hit + missed)
    intervals["false_alarms"] = wilson(alarms, absent)
    return {
        name: _estimate(name, value, intervals.get(name), n)
        for name, value in class_scores(counts, k).items()
    }


def _mean_estimate(each: list[Estimate]) -> Estimate:
    known = [one for one in each if one.value is not None]
    value, low, high = (
        _mean([getattr(one, end) for one in known]) for end in ("value", "low", "high")
    )
    is_whole = all(one.low is not None for one in known)
    n = max((one.n for one in known), default=0)
    bound = max((one.bound for one in known), default=0.0)
    return Estimate(value, low if is_whole else None, high if is_whole else None, n, bound)


def _drawn(counts: MaskCounts, k: int, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """Give (N_DRAWS,) values of the scores that have bins; means are moved to the one told."""
    shares, n = middles_of_shares(), int(counts.cases[k, IN_TRUTH])
    rows = {
        name: rng.multinomial(n, getattr(counts, name)[k] / n, N_DRAWS).astype(np.int64)
        for name in HISTOGRAMS
    }

    def mean(name: str, column: int, middles: NDArray[np.float64]) -> NDArray[np.float64]:
        off = counts.sums[k, column] - getattr(counts, name)[k] @ middles
        return np.asarray((rows[name] @ middles + off) / n)

    factor = LONGEST_MM / SHORTEST_MM
    return {
        "dice": mean("dice", DICE, shares),
        "nsd": mean("nsd", NSD, shares),
        "hd95": SHORTEST_MM * factor ** mean("hd95", DISTANCE, middles_in_order()),
        "median_dice": _medians(rows["dice"], shares),
        "median_hd95": _medians(rows["hd95"], middles_mm()),
        "volume": _medians(rows["volume"], middles_of_volume()),
    }


def _middle_95(values: NDArray[np.float64]) -> Interval:
    """Give the percentile interval; its end is infinite where too many draws see nothing."""
    low, high = np.percentile(values, [2.5, 97.5], method="nearest")
    return float(low), float(high)


def _medians(rows: Counts, middles: NDArray[np.float64]) -> NDArray[np.float64]:
    half = (rows.sum(axis=1) + 1) // 2
    return np.asarray(middles[(np.cumsum(rows, axis=1) >= half[:, None]).argmax(axis=1)])


def _estimate(name: str, value: float | None, interval: Interval | None, n: int) -> Estimate:
    """Widen an interval by what rounding and bins leave open; a score in mm has no upper end."""
    if value is None or interval is None:
        return Estimate(value, n=n)
    bound = ROUNDED if name in ("dice", "nsd") else HALF_BIN if name == "median_dice" else 0.0
    bound = 2 * HALF_BIN if name == "volume" else bound
    low, high = min(interval[0], value) - bound, max(interval[1], value) + bound
    if name in IN_MM:
        step = (LONGEST_MM / SHORTEST_MM) ** (0.5 / (NO_SURFACE - 1))
        return Estimate(value, low / step, high * step, n)
    least = -1.0 if name == "volume" else 0.0
    return Estimate(value, max(low, least), min(high, 1.0), n, bound)


def _f1(hit: float, extra: float, missed: float) -> float | None:
    return 2 * hit / (2 * hit + extra + missed) if hit + extra + missed else None


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
