"""Do probabilities mean what they say? From score histograms; a bin counts as its middle.

Every function takes one class's (N_BINS,) counts of its images and of the rest, by log-odds. A
single number is None without images of both kinds.
"""

from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from medfl_common.metrics.counts import Counts
from medfl_common.metrics.curves import edges

N_GROUPS = 10
RANGE = (0.2, 5.0)  # of temperatures
FREE_RANGE = (0.05, 20.0)  # of what the images alone say
HELD = 0.05  # difference of logarithms from which a page says that T is held back
DEVIATION = 0.35  # of log T before any image is seen: two of three models within a factor of 1.4


@dataclass(frozen=True)
class Group:
    """Images of similar predicted probability."""

    predicted: float  # mean probability
    observed: float  # fraction of positive images
    n: int


def middles() -> NDArray[np.float64]:
    """Return the log-odds in the middle of each bin."""
    borders = edges()
    return np.asarray((borders[1:] + borders[:-1]) / 2)


def reliability(positive: Counts, negative: Counts, n_groups: int = N_GROUPS) -> list[Group]:
    """Group images by equal ranges of probability; leave empty groups out."""
    chance = _sigmoid(middles())
    place = np.minimum((chance * n_groups).astype(int), n_groups - 1)
    n, n_positive, predicted = (
        np.bincount(place, counts, minlength=n_groups)
        for counts in (positive + negative, positive, (positive + negative) * chance)
    )
    return [
        Group(float(predicted[i] / n[i]), float(n_positive[i] / n[i]), int(n[i]))
        for i in np.flatnonzero(n)
    ]


def expected_calibration_error(positive: Counts, negative: Counts) -> float | None:
    """Return the mean distance of predicted and observed over tenths, weighted by images.

    Guo et al.: On Calibration of Modern Neural Networks. ICML 2017. Here of the probability of the
    class, where they take that of the predicted class.
    """
    if not positive.any() or not negative.any():
        return None
    groups = reliability(positive, negative)
    apart = sum(group.n * abs(group.predicted - group.observed) for group in groups)
    return apart / sum(group.n for group in groups)


def brier(positive: Counts, negative: Counts) -> float | None:
    """Return the mean squared distance of probability and truth.

    Brier: Verification of forecasts expressed in terms of probability. Mon Weather Rev 78:1 (1950).
    """
    if not positive.any() or not negative.any():
        return None
    chance = _sigmoid(middles())
    total = float(positive.sum()) + float(negative.sum())
    return float((positive * (1 - chance) ** 2 + negative * chance**2).sum() / total)


def calibration_influences(
    positive: Counts, negative: Counts
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (2, N_BINS) what an image of the rest, and of the class, does to ECE and to Brier."""
    chance, n = _sigmoid(middles()), positive + negative
    place = np.minimum((chance * N_GROUPS).astype(int), N_GROUPS - 1)
    excess = np.bincount(place, n * chance - positive, minlength=N_GROUPS)
    ece = np.sign(excess)[place] * (chance - np.array([[0.0], [1.0]]))
    score = (chance - np.array([[0.0], [1.0]])) ** 2
    counts, total = np.stack([negative, positive]), float(n.sum())
    apart, squared = (each - (each * counts).sum() / total for each in (ece, score))
    return apart / total, squared / total


@dataclass(frozen=True)
class Temperature:
    """By what to divide log-odds, and what the images alone would say."""

    value: float
    fitted: float  # without the pull to 1, within FREE_RANGE

    @property
    def is_held(self) -> bool:
        """Say whether few images, or the bound, hold it from what fits best."""
        return abs(log(self.value / self.fitted)) > HELD


def temperature(positive: Counts, negative: Counts) -> Temperature | None:
    """Find T: log-odds divided by T have the smallest log loss (Guo et al., 2017), pulled to 1.

    The maximum a posteriori with log T normal around 0: few images move T little, many as far as
    they say, within RANGE. None without images of both kinds.
    """
    if not positive.any() or not negative.any():
        return None
    fitted = _fit(positive, negative, FREE_RANGE, np.inf)
    return Temperature(_fit(positive, negative, RANGE, DEVIATION), fitted)


def _fit(
    positive: Counts, negative: Counts, bounds: tuple[float, float], deviation: float
) -> float:
    from scipy.optimize import minimize_scalar  # half a second to import

    odds = middles()

    def loss(log_t: float) -> float:
        scaled = odds / np.exp(log_t)
        each = positive * np.logaddexp(0, -scaled) + negative * np.logaddexp(0, scaled)
        return float(each.sum()) + (log_t / deviation) ** 2 / 2

    found = minimize_scalar(loss, bounds=(np.log(bounds[0]), np.log(bounds[1])), method="bounded")
    return float(np.exp(found.x))


def _sigmoid(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-odds)))
