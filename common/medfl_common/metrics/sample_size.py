"""How sure an AUC will be, before there are scores: the interval that so many patients give."""

from dataclasses import dataclass

import numpy as np

from medfl_common.metrics.clusters import FEWEST_PATIENTS
from medfl_common.metrics.design_effects import growth_of_few
from medfl_common.metrics.intervals import Interval, on_logit_scale

MOST_PATIENTS = 10**7  # looked for


@dataclass(frozen=True)
class Expected:
    """What is expected of the patients that are scored."""

    auc: float  # above 0.5, below 1
    prevalence: float  # part of the patients with the finding, above 0 and below 1
    images: int = 1  # of a patient
    icc: float = 1.0  # correlation of the scores of a patient's images, 0..1; 1: all say the same


def auc_variance(auc: float, n_positive: float, n_negative: float) -> float:
    """Return the variance of an AUC of so many independent images of each kind.

    Hanley, McNeil: Radiology 143:29 (1982), for scores whose odds are exponential.
    """
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    pairs = n_positive * n_negative
    found = auc * (1 - auc) + (n_positive - 1) * (q1 - auc**2) + (n_negative - 1) * (q2 - auc**2)
    return found / pairs


def expected_interval(n_patients: int, expected: Expected) -> Interval | None:
    """Return the 95 % interval to expect, as the pages compute it; None of too few patients.

    Several images of a patient multiply the variance by 1 + (images - 1) icc (Kish: Survey
    Sampling, 1965).
    """
    n_with = round(n_patients * expected.prevalence)
    n_without, several = n_patients - n_with, expected.images
    n_fewer = min(n_with, n_without)
    if n_fewer < (FEWEST_PATIENTS if several > 1 else 2):
        return None
    variance = auc_variance(expected.auc, n_with * several, n_without * several)
    alike = 1 + (several - 1) * expected.icc
    few = growth_of_few(n_fewer) / growth_of_few(n_fewer * several)
    return on_logit_scale(expected.auc, variance * alike * few)


def width(interval: Interval | None) -> float:
    """Return how wide an interval is; infinite where there is none."""
    return np.inf if interval is None else interval[1] - interval[0]


def patients_for(wished: float, expected: Expected) -> int | None:
    """Return the fewest patients whose interval is no wider; None: more than MOST_PATIENTS."""
    low, high = 1, 2
    while width(expected_interval(high, expected)) > wished:
        low, high = high, 2 * high
        if high > MOST_PATIENTS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        is_enough = width(expected_interval(middle, expected)) <= wished
        low, high = (low, middle) if is_enough else (middle, high)
    return high
