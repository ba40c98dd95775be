"""Do probabilities mean what they say? From score histograms; a bin counts as its middle.

Every function takes one class's (N_BINS,) counts of its images and of the rest, by log-odds. A
single number is None without images of both kinds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfl_common.metrics.counts import Counts
from medfl_common.metrics.curves import edges

N_GROUPS = 10
RANGE = (0.05, 20.0)  # of temperatures


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


def temperature(positive: Counts, negative: Counts) -> float | None:
    """Find T > 0: log-odds divided by T have the smallest log loss (Guo et al., 2017).

    None without images of both kinds.
    """
    from scipy.optimize import minimize_scalar  # half a second to import

    if not positive.any() or not negative.any():
        return None
    odds = middles()

    def loss(log_t: float) -> float:
        scaled = odds / np.exp(log_t)
        each = positive * np.logaddexp(0, -scaled) + negative * np.logaddexp(0, scaled)
        return float(each.sum())

    found = minimize_scalar(loss, bounds=(np.log(RANGE[0]), np.log(RANGE[1])), method="bounded")
    return float(np.exp(found.x))


def _sigmoid(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-odds)))
