"""The thresholds of a binary task that a page names, as far as the images behind them allow.

Every function takes the (N_BINS,) counts of positive and of negative images, by log-odds. A
threshold is a border of two bins, in log-odds: at it the counts are exact.
"""

from math import ceil, floor, log

import numpy as np

from medfl_common.metrics.counts import MAX_LOGIT, Counts
from medfl_common.metrics.curves import Rates, edges, rates_at, sensitivity_at, youden_threshold

PULL = 5  # images of the rarer class that the plan's own threshold counts as


def in_log_odds(probability: float) -> float:
    """Turn a threshold into log-odds, within those of the histograms."""
    if probability in (0, 1):
        return MAX_LOGIT if probability else -MAX_LOGIT
    return min(max(log(probability / (1 - probability)), -MAX_LOGIT), MAX_LOGIT)


def youden_point(positive: Counts, negative: Counts, usual: float) -> float | None:
    """Return Youden's threshold, pulled to the `usual` one where few images chose it.

    A mean of both, weighted by the images of the rarer class and by PULL. None without images of
    both kinds.
    """
    best = youden_threshold(positive, negative)
    if best is None:
        return None
    n = float(min(positive.sum(), negative.sum()))
    return _border((n * best + PULL * usual) / (n + PULL))


def specificity_point(positive: Counts, negative: Counts, specificity: float) -> float | None:
    """Return the threshold that at least so many of the *next* negative images lie below.

    Vovk, Gammerman, Shafer: Algorithmic Learning in a Random World (2005), split conformal: of n
    negative images and the next one, each is the highest as often. So a part of (k + 1) / (n + 1)
    of the next ones lie above k of n. None without images of both kinds, with fewer negative ones
    than `fewest_negative`, or where no positive image lies above.
    """
    n = int(negative.sum())
    if not positive.any() or n < fewest_negative(specificity):
        return None
    n_above = floor((1 - specificity) * (n + 1) + 1e-9) - 1
    found = sensitivity_at(positive, negative, 1 - n_above / n)
    # the histogram clips higher scores: at its last border nothing is called positive
    return None if found is None or found[1] >= MAX_LOGIT else found[1]


def fewest_negative(specificity: float) -> int:
    """Say how many negative images a threshold of this specificity takes."""
    return ceil(1 / (1 - specificity) - 1e-9) - 1


def points(
    positive: Counts, negative: Counts, threshold: float, specificity: float
) -> dict[str, tuple[float, Rates]]:
    """Give the thresholds in log-odds with the counts at each: those that the images allow.

    `threshold` is the plan's, a probability.
    """
    usual = in_log_odds(threshold)
    found = {
        "threshold": usual,
        "youden": youden_point(positive, negative, usual),
        "at_specificity": specificity_point(positive, negative, specificity),
    }
    return {
        name: (odds, rates_at(positive, negative, odds))
        for name, odds in found.items()
        if odds is not None
    }


def _border(log_odds: float) -> float:
    borders = edges()
    return float(borders[np.abs(borders - log_odds).argmin()])
