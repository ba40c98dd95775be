"""95 % intervals from counts.

Each takes the score's design effect: how many times as large its variance is for there being fewer
patients than images. With 1, every image counts as a patient's.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from medfl_common.metrics.counts import Counts, ScoreCounts

Z = 1.959963984540054  # the normal distribution's 97.5 % point
Interval = tuple[float, float]


def student(freedom: int) -> float:
    """Return the 97.5 % point of Student's t, to a hundredth from 3 degrees of freedom on.

    Abramowitz, Stegun: Handbook of Mathematical Functions, 26.7.5 (1964).
    """
    terms = (
        Z,
        (Z**3 + Z) / 4,
        (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96,
        (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384,
    )
    return float(sum(term / freedom**i for i, term in enumerate(terms)))


def wilson(successes: float, n: float, effect: float = 1.0) -> Interval | None:
    """Return the score interval of a proportion. Wilson: J Am Stat Assoc 22:209 (1927).

    The design effect divides the counts. Rao, Scott: Biometrics 48:577 (1992).
    """
    if n <= 0:
        return None
    successes, n = successes / effect, n / effect
    rate, spare = successes / n, Z * Z / n
    middle = (rate + spare / 2) / (1 + spare)
    half = Z * np.sqrt(rate * (1 - rate) / n + spare / (4 * n)) / (1 + spare)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def delong(positive: Counts, negative: Counts, effect: float = 1.0) -> Interval | None:
    """Return the interval of the AUC of (N_BINS,) counts, on the logit scale so it stays in 0..1.

    DeLong, DeLong, Clarke-Pearson: Biometrics 44:837 (1988), ties as halves. Without a
    variance (a perfect order or its reverse, or a kind with one image) it is Wilson's, as if the
    area were a proportion of the smaller kind's images: wide rather than overconfident.
    """
    n_positive, n_negative = int(positive.sum()), int(negative.sum())
    if not n_positive or not n_negative:
        return None
    beaten = (np.cumsum(negative) - negative / 2) / n_negative  # by a positive image of each bin
    beating = 1 - (np.cumsum(positive) - positive / 2) / n_positive
    area = float((positive * beaten).sum() / n_positive)
    n_least = min(n_positive, n_negative)
    if n_least < 2 or not 0 < area < 1:
        return wilson(area * n_least, n_least, effect)
    variance = _variance_of_mean(beaten, positive) + _variance_of_mean(beating, negative)
    return on_logit_scale(area, variance * effect)


def on_logit_scale(area: float, variance: float) -> Interval:
    """Return the interval of an area with a variance; it stays within 0..1."""
    logit, spread = np.log(area / (1 - area)), np.sqrt(variance) / (area * (1 - area))
    low, high = (1 / (1 + np.exp(-(logit + side * Z * spread))) for side in (-1, 1))
    return float(low), float(high)


def bootstrap(
    score_counts: ScoreCounts,
    statistic: Callable[[ScoreCounts], float | None],
    rng: np.random.Generator,
    n_draws: int = 500,
) -> Interval | None:
    """Return the percentile interval of one statistic; see bootstrap_all."""
    return bootstrap_all(score_counts, lambda drawn: {"it": statistic(drawn)}, rng, n_draws).get(
        "it"
    )


def bootstrap_all(
    score_counts: ScoreCounts,
    statistics: Callable[[ScoreCounts], Mapping[str, float | None]],
    rng: np.random.Generator,
    n_draws: int = 500,
) -> dict[str, Interval | None]:
    """Return percentile intervals of named statistics, all from the same draws of the images.

    None if a statistic has fewer than two values. Efron, Tibshirani: An Introduction to the
    Bootstrap (1993).
    """
    found: dict[str, list[float]] = {}
    for drawn in _draws(score_counts, rng, n_draws):
        for name, value in statistics(drawn).items():
            values = found.setdefault(name, [])
            if value is not None:
                values.append(value)
    return {name: middle_95(values) for name, values in found.items()}


def stretched(
    interval: Interval | None, value: float | None, effect: float, least: float = 0.0
) -> Interval | None:
    """Take the ends of an interval further from the value by the root of the design effect."""
    if interval is None or value is None or effect == 1:
        return interval
    low, high = (value + (end - value) * float(np.sqrt(effect)) for end in interval)
    return max(low, least), min(high, 1.0)


def _draws(
    score_counts: ScoreCounts, rng: np.random.Generator, n_draws: int
) -> Iterator[ScoreCounts]:
    """Draw the images anew from the counts.

    Cells of the confusion counts as one multinomial (multilabel: per finding), histograms as one
    each of a class's images and of the rest.
    """
    for _ in range(n_draws):
        yield ScoreCounts(
            score_counts.n,
            score_counts.loss,
            _redraw(score_counts.confusion, rng, score_counts.confusion.ndim - 2),
            _redraw(score_counts.positive, rng, 1),
            _redraw(score_counts.negative, rng, 1),
        )


def _redraw(counts: Counts, rng: np.random.Generator, n_apart: int) -> Counts:
    """Draw counts anew within each of the first `n_apart` axes."""
    rows = counts.reshape(*counts.shape[:n_apart], -1)
    n = rows.sum(axis=-1)
    drawn = rng.multinomial(n, rows / np.maximum(n, 1)[..., None])
    return drawn.astype(np.int64).reshape(counts.shape)


def middle_95(values: list[float]) -> Interval | None:
    """Return the percentile interval of drawn values; None of fewer than two."""
    if len(values) < 2:
        return None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _variance_of_mean(values: NDArray[np.float64], n: Counts) -> float:
    """Return the sample variance of values that occur n times each, over their number."""
    total = float(n.sum())
    mean = (values * n).sum() / total
    return float((n * (values - mean) ** 2).sum() / (total - 1) / total)
