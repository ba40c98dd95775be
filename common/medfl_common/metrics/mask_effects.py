"""Design effects of a segmentation's scores: several images of a patient tell less than as many.

Patients, not images, are drawn independently: what a patient's images do to a mean is added up
first, to a share of lesions too (Rao and Scott, Biometrics 48:577, 1992). See design_effects.
"""

import numpy as np
from numpy.typing import NDArray

from medfl_common.metrics.box_estimates import EFFECT_STEPS
from medfl_common.metrics.design_effects import effect, growth_of_few
from medfl_common.metrics.estimates import Estimate
from medfl_common.metrics.mask_counts import (
    EFFECTS,
    MASK_EFFECTS,
    PATIENTS,
    CaseScores,
    MaskCounts,
)

Floats = NDArray[np.float64]
STEPS = np.array(EFFECT_STEPS)


def mask_effects(found: CaseScores, min_cell: int = 1) -> Floats:
    """Return the (F, 1 + 6) patients with each class and the design effects of MASK_EFFECTS.

    An effect is rounded up to one of EFFECT_STEPS. Patients are 0 where they are fewer than
    `min_cell`; effects are 0 of fewer patients than that, or than two.
    """
    n_classes = found.values.shape[1]
    effects = np.zeros((n_classes, 1 + len(MASK_EFFECTS)))
    for k in range(n_classes):
        has = ~np.isnan(found.values[:, k, 0])
        n = len(np.unique(found.patient[has]))
        effects[k, PATIENTS] = n if n >= min_cell else 0
        if n >= max(min_cell, 2):
            whose = found.patient[has]
            own = [_of_mean(values, whose) for values in found.values[has, k].T]
            effects[k, EFFECTS[:-1]] = [*own, _of_lesions(found.lesions[has, k], whose)]
        is_absent = ~np.isnan(found.alarms[:, k])
        whose = found.patient[is_absent]
        if len(np.unique(whose)) >= max(min_cell, 2):
            effects[k, EFFECTS[-1]] = _of_mean(found.alarms[is_absent, k], whose)
    return effects


def effects_of_class(counts: MaskCounts, k: int) -> dict[str, float]:
    """Give a class's design effects by score; 0 where none is told."""
    told = [0.0] * len(MASK_EFFECTS) if counts.effects is None else counts.effects[k, EFFECTS]
    return {name: float(one) for name, one in zip(MASK_EFFECTS, told, strict=True)}


def of_patients(one: Estimate, counts: MaskCounts, k: int, name: str) -> Estimate:
    """Say whose cases are behind an estimate of a class; see Estimate.of_patients.

    Args:
        one: The estimate.
        counts: Of all cases.
        k: Place of the class in the foreground.
        name: Of the design effect, or of a score that has none.
    """
    effect = effects_of_class(counts, k).get(name)
    if counts.effects is None or effect is None or one.value is None:
        return one
    n_patients = 0 if name == "false_alarms" else int(counts.effects[k, PATIENTS])
    return one.of_patients(effect, n_patients, n_patients or one.n)


def _of_mean(values: Floats, patient: NDArray[np.int64]) -> float:
    n_patients = len(np.unique(patient))
    return _rounded_up(effect(values - values.mean(), patient, n_patients, len(values)))


def _of_lesions(lesions: Floats, patient: NDArray[np.int64]) -> float:
    """Return that of the share of lesions found, beside independent lesions."""
    hit, all_ = lesions[:, 0], lesions.sum(axis=1)
    n, (n_patients, whose) = all_.sum(), _numbered(patient)
    share = hit.sum() / n if n else 0.0
    by_patient = np.bincount(whose, all_)
    independent = n * share * (1 - share)
    if independent > 0:
        ratio = float((np.bincount(whose, hit - share * all_) ** 2).sum() / independent)
    else:  # all are found, or none: as if all lesions of a patient were one
        ratio = float((by_patient**2).sum() / n) if n else 1.0
    few = growth_of_few(n_patients) / growth_of_few(max(int(n), n_patients))
    return _rounded_up(max(ratio * few, 1.0))


def _numbered(patient: NDArray[np.int64]) -> tuple[int, NDArray[np.int64]]:
    names, whose = np.unique(patient, return_inverse=True)
    return len(names), whose


def _rounded_up(ratio: float) -> float:
    return float(STEPS[np.searchsorted(STEPS, ratio - 1e-9).clip(max=len(STEPS) - 1)])
