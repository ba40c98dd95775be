"""What noise in the counts adds to an interval, beside the few images."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from medfl_common.metrics.counts import ScoreCounts, bin_places
from medfl_common.metrics.intervals import Interval, Z
from medfl_common.seeds import numpy_generator

N_DRAWS = 100
NOISY_BINS = 16  # of a histogram of noisy counts
SEED = 20261201  # the same counts give the same intervals


def deviations(
    counts: ScoreCounts, statistics: Callable[[ScoreCounts], Mapping[str, float | None]]
) -> dict[str, float]:
    """Give the standard deviation that the noise alone makes in each statistic.

    Noise of the counts' own variance is added to them once more, and the statistics are looked at:
    a parametric bootstrap. A cell of the confusion sums half of the bins, or has noise of its own.
    """
    rng, found = numpy_generator(SEED, "noise"), dict[str, list[float]]()
    places, spread = bin_places(NOISY_BINS), float(np.sqrt(counts.noise))
    n_cells = 1 if counts.confusion.shape[-1] > 2 else NOISY_BINS / 2
    for _ in range(N_DRAWS):
        curves = {name: getattr(counts, name).astype(float) for name in ("positive", "negative")}
        for own in curves.values():
            own[:, places] += rng.normal(0, spread, (len(own), len(places)))
            np.maximum(own, 0, out=own)
        noise = rng.normal(0, spread * np.sqrt(n_cells), counts.confusion.shape)
        confusion = np.maximum(counts.confusion + noise, 0)
        drawn = replace(counts, confusion=confusion, **curves)
        for name, value in statistics(drawn).items():
            if value is not None and np.isfinite(value):
                found.setdefault(name, []).append(value)
    return {name: float(np.std(values)) for name, values in found.items() if len(values) > 1}


def widened(
    interval: Interval | None, value: float | None, deviation: float, least: float
) -> Interval | None:
    """Add the variance of noise to that of the sample, to each side of an interval."""
    if interval is None or value is None:
        return interval
    low, high = (float(np.hypot(value - end, Z * deviation)) for end in interval)
    return max(value - low, least), min(value + high, 1.0)
