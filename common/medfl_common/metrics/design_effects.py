"""Design effects: by how much several images of a patient make the variance of a score larger.

The variance of a score is that of the sum of what each image does to it (its influence). Patients,
not images, are drawn independently, so their images' influences are added up first: for the AUC
Obuchowski (Biometrics 53:567, 1997), for shares Rao and Scott (Biometrics 48:577, 1992). Few
patients count by Student's t (Korn and Graubard, Surv Methodol 24:193, 1998).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medfl_common.metrics.calibration import calibration_influences
from medfl_common.metrics.clusters import SCORES, DesignEffects, PatientImages
from medfl_common.metrics.counts import (
    N_BINS,
    ScoreCounts,
    area,
    average_precision,
    confusion_scores,
)
from medfl_common.metrics.curves import n_called_bins

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LARGEST = 1e6
STEP = 1e-4  # of an image: how much of it is added to see what it does
OF_CURVES = ("auc", "pr_auc", "sensitivity_at_specificity", "ece", "brier")


@dataclass(frozen=True)
class Behind:
    """How many patients, or images, are behind the scores."""

    all: int
    positive: Floats  # (C,) with an image of the class
    negative: Floats  # (C,) with one of the rest

    def of(self, score: str) -> int:
        """Count for a score; over classes, their mean."""
        if score in ("accuracy", "ece", "brier"):
            return self.all
        fewer = np.minimum(self.positive, self.negative)
        each = {"recall": self.positive, "specificity": self.negative}.get(score, fewer)
        known = each[each > 0]
        return int(known.mean()) if len(known) else 0


def design_effects(
    counts: ScoreCounts, images: PatientImages, specificity: float, quadratic: bool = False
) -> DesignEffects:
    """Return the design effects of all scores of `counts`, which are of `images`."""
    influences = _influences(counts, images, specificity, quadratic)
    patients, each = (
        count_behind(images.kind, whose) for whose in (images.patient, np.arange(counts.n))
    )
    n_classes = len(counts.positive)
    values, behind = [], []
    for score in SCORES:
        m, n = patients.of(score), each.of(score)
        values.append(effect(influences[score], images.patient, m, n))
        behind.append(m)
    for c in range(n_classes):
        own = influences["areas"][:, c]
        m, n = (int(min(b.positive[c], b.negative[c])) for b in (patients, each))
        values.append(effect(own, images.patient, m, n))
        behind.append(m)
    return DesignEffects(np.array(values), np.array(behind))


def effect(influence: Floats, patient: Ints, n_patients: int, n_images: int) -> float:
    """Return one design effect: at least 1, and 0 where a single patient tells nothing.

    Args:
        influence: (N,) of each image on the score.
        patient: (N,) whose image it is.
        n_patients: Patients behind the score.
        n_images: Images behind it.
    """
    if n_patients == n_images > 0:
        return 1.0
    if n_patients < 2:
        return 0.0
    single = float((influence**2).sum())
    if single > 1e-20 * len(influence):
        ratio = float((np.bincount(patient, influence) ** 2).sum()) / single
    else:  # nobody differs: as if all images of a patient were one (Kish: Survey Sampling, 1965)
        sizes = np.bincount(patient).astype(float)
        ratio = float((sizes**2).sum() / sizes.sum())
    few = growth_of_few(n_patients) / growth_of_few(n_images)
    return float(min(max(ratio * few, 1.0), LARGEST))


def of_share(is_right: NDArray[np.bool_], patient: Ints) -> tuple[float, int]:
    """Return the design effect of a share of images, and the number of their patients."""
    n_patients = len(np.unique(patient))
    share = is_right.mean() if len(is_right) else 0.0
    return effect(is_right - share, patient, n_patients, len(is_right)), n_patients


def growth_of_few(n: int) -> float:
    """Return how much a variance seen in n must grow: n / (n - 1), and Student's t squared."""
    from scipy.special import stdtrit  # a second to import

    return n / (n - 1) * float(stdtrit(n - 1, 0.975)) ** 2 if n > 1 else 1.0


def count_behind(kind: Ints, whose: Ints) -> Behind:
    """Count who has images, of each class and of the rest: (N, C) of `PatientImages`, (N,)."""
    sides = [
        np.array([float(len(np.unique(whose[of_class == side]))) for of_class in kind.T])
        for side in (1, 0)
    ]
    return Behind(len(np.unique(whose)), *sides)


def _influences(
    counts: ScoreCounts, images: PatientImages, specificity: float, quadratic: bool
) -> dict[str, Floats]:
    """Return score -> (N,) what each image does to it; `areas`: (N, C) to each class's AUC."""
    found = _of_confusion(counts, images, quadratic)
    by_class: dict[str, list[Floats]] = {name: [] for name in OF_CURVES}
    areas = np.zeros(images.kind.shape)
    for c, (positive, negative) in enumerate(zip(counts.positive, counts.negative, strict=True)):
        if not positive.any() or not negative.any():
            continue
        tables = _of_curve(positive, negative, specificity)
        for name, table in tables.items():
            by_class[name].append(_looked_up(table, images, c))
        areas[:, c] = by_class["auc"][-1]
    nothing = np.zeros(len(images.patient))
    means = {name: np.mean(v, axis=0) if v else nothing for name, v in by_class.items()}
    return {**found, **means, "areas": areas}


def _looked_up(table: Floats, images: PatientImages, c: int) -> Floats:
    kind = images.kind[:, c]
    return np.where(kind < 0, 0.0, table[np.maximum(kind, 0), images.bins[:, c]])


def _of_curve(positive: Ints, negative: Ints, specificity: float) -> dict[str, Floats]:
    """Return (2, N_BINS) influences of an image of the rest, and of the class, in each bin."""
    is_called = np.arange(N_BINS) >= N_BINS - n_called_bins(positive, negative, specificity)
    sensitivity = float(positive[is_called].sum() / positive.sum())
    at = (is_called - sensitivity) / positive.sum()
    ece, brier = calibration_influences(positive, negative)
    return {
        "auc": _slope(area, positive, negative),
        "pr_auc": _slope(average_precision, positive, negative),
        "sensitivity_at_specificity": np.stack([np.zeros(N_BINS), at]),
        "ece": ece,
        "brier": brier,
    }


def _slope(score: Callable[[Ints, Ints], float], positive: Ints, negative: Ints) -> Floats:
    """Differentiate a score by the counts of the bins that hold images."""
    pair = np.stack([negative, positive]).astype(float)

    def at(moved: Floats) -> float:
        return score(moved[1], moved[0])

    return _derivative(at, pair)


def _derivative(score: Callable[[Floats], float], counts: Floats) -> Floats:
    found = np.zeros_like(counts)
    for place in zip(*np.nonzero(counts), strict=True):
        moved = counts.copy()
        moved[place] += STEP
        above = score(moved)
        moved[place] -= 2 * STEP
        found[place] = (above - score(moved)) / (2 * STEP)
    return found


def _of_confusion(counts: ScoreCounts, images: PatientImages, quadratic: bool) -> dict[str, Floats]:
    names = [name for name in SCORES if name not in OF_CURVES]
    table = counts.confusion.astype(float)
    slopes = {name: np.zeros(table.size) for name in names}
    for place in np.flatnonzero(table):
        ends = []
        for step in (STEP, -STEP):
            moved = table.copy()
            moved.flat[place] += step
            one = replace(counts, confusion=moved)
            ends.append(confusion_scores(one, quadratic))
        for name in names:
            high, low = (end[name] for end in ends)
            slopes[name][place] = 0.0 if high is None or low is None else (high - low) / (2 * STEP)
    is_known, cell = images.cell >= 0, np.maximum(images.cell, 0)
    return {name: (slope[cell] * is_known).sum(axis=1) for name, slope in slopes.items()}
