"""Whose images were scored: several of one patient are alike, so they tell less than as many."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The scores that have a design effect, in the order in which these leave a hospital.
SCORES = (
    "auc", "pr_auc", "accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1",
    "kappa", "sensitivity_at_specificity", "ece", "brier",
)  # fmt: skip
EVERYBODY = SCORES.index("accuracy")  # every patient with a known label is behind it
FEWEST_PATIENTS = 10  # with several images each; from fewer no interval can be told


@dataclass(frozen=True)
class DesignEffects:
    """How many times as large the variance of each score is as with an image a patient.

    values: (L + C,) of SCORES, then of each class's AUC; at least 1, or 0 where nobody can tell.
    patients: (L + C,) how many are behind each; 0 where they are not told.
    """

    values: NDArray[np.float64]
    patients: NDArray[np.int64]

    @property
    def n_patients(self) -> int | None:
        """Count the patients that were scored; None: not all are told."""
        return int(self.patients[EVERYBODY]) or None


@dataclass(frozen=True)
class PatientImages:
    """The scored images one by one, where they are; only design effects of it may leave.

    patient: (N,) who it is of, numbered from 0.
    cell: (N, F) its place in the flat confusion counts, -1 where the label is unknown; F is 1, or
        the findings.
    bins: (N, C) its bins of the histograms.
    kind: (N, C) 1: an image of the class, 0: of the rest, -1: unknown.
    """

    patient: NDArray[np.int64]
    cell: NDArray[np.int64]
    bins: NDArray[np.int64]
    kind: NDArray[np.int64]

    @property
    def has_several(self) -> bool:
        """Say whether any patient has several images."""
        return len(np.unique(self.patient)) < len(self.patient)


Clusters = DesignEffects | PatientImages


def joined(parts: Sequence[tuple[int, Clusters | None]]) -> Clusters | None:
    """Join what is known of disjoint sets of patients, each with its number of images.

    Design effects become their mean, weighted by images; that of the sets that tell one stands for
    the others.
    """
    parts = [(n, clusters) for n, clusters in parts if n]
    images = [clusters for _, clusters in parts if isinstance(clusters, PatientImages)]
    if images and len(images) == len(parts):
        return _one_after_another(images)
    told = [(n, clusters) for n, clusters in parts if isinstance(clusters, DesignEffects)]
    if not told:
        return None
    values = np.stack([clusters.values for _, clusters in told])
    weights = np.array([[n] for n, _ in told]) * (values > 0)
    patients = np.stack([clusters.patients for _, clusters in told])
    are_all_told = (patients > 0).all(axis=0) & (len(told) == len(parts))
    return DesignEffects(
        (values * weights).sum(axis=0) / np.maximum(weights.sum(axis=0), 1),
        np.where(are_all_told, patients.sum(axis=0), 0),
    )


def images_by_patient(patients: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Give the positions of each patient's images, patients in the order of their first image."""
    found: dict[int, list[int]] = {}
    for i, patient in enumerate(patients.tolist()):
        found.setdefault(patient, []).append(i)
    return [np.array(positions) for positions in found.values()]


def of_class(clusters: Clusters | None, place: int) -> DesignEffects | None:
    """Give the design effect of one class's AUC, for counts of this class alone."""
    if not isinstance(clusters, DesignEffects):
        return None
    own = len(SCORES) + place
    values, patients = clusters.values.copy(), clusters.patients.copy()
    values[SCORES.index("auc")], patients[SCORES.index("auc")] = values[own], patients[own]
    return DesignEffects(values, patients)


def of_part(clusters: Clusters | None, share: float) -> DesignEffects | None:
    """Give those of the whole for a part of it, which has its share of the patients."""
    if not isinstance(clusters, DesignEffects):
        return None
    patients = np.maximum(np.rint(clusters.patients * share), clusters.patients > 0)
    return DesignEffects(clusters.values, patients.astype(np.int64))


def _one_after_another(parts: Sequence[PatientImages]) -> PatientImages:
    n_before, patients = 0, []
    for part in parts:
        patients.append(part.patient + n_before)
        n_before += int(part.patient.max(initial=-1)) + 1
    return PatientImages(
        np.concatenate(patients),
        np.concatenate([part.cell for part in parts]),
        np.concatenate([part.bins for part in parts]),
        np.concatenate([part.kind for part in parts]),
    )
