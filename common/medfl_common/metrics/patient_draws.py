"""Histograms of patients drawn with replacement, each with all images."""

import numpy as np

from medfl_common.metrics.clusters import PatientImages
from medfl_common.metrics.counts import N_BINS, Counts


def drawn_histograms(images: PatientImages, rng: np.random.Generator) -> tuple[Counts, Counts]:
    """Draw as many patients as there are; give (C, N_BINS) images of each class, and of the rest.

    Field, Welsh: Bootstrapping clustered data. J R Stat Soc B 69:369 (2007).
    """
    patients, whose = np.unique(images.patient, return_inverse=True)
    n = len(patients)
    times = np.bincount(rng.integers(0, n, n), minlength=n)[whose] if n else whose
    sides = []
    for side in (1, 0):
        counts = [
            np.bincount(bins[kind == side], times[kind == side], minlength=N_BINS)
            for bins, kind in zip(images.bins.T, images.kind.T, strict=True)
        ]
        sides.append(np.stack(counts).astype(np.int64))
    return sides[0], sides[1]
