"""Intervals of noisy scores hold the noise too."""

from dataclasses import replace

import numpy as np

from medfl_common.metrics.counts import N_BINS, ScoreCounts, auc, bin_places
from medfl_common.metrics.estimates import auc_estimate

PLACES = bin_places(16)
N, DEVIATION = 150, 8.0  # patients of a kind; of the noise in each bin


def drawn(rng: np.random.Generator, n: int, noise: float) -> ScoreCounts:
    """Score patients with and without the finding, and add noise to the bins."""
    found = []
    for mean in (1.5, -1.5):
        bins = np.histogram(np.clip(rng.normal(mean, 2, n), -8, 8), 16, (-8, 8))[0]
        noisy = np.maximum(np.rint(bins + rng.normal(0, noise, 16)), 0).astype(np.int64)
        curve = np.zeros((1, N_BINS), np.int64)
        curve[0, PLACES] = noisy
        found.append(curve)
    ill, well = found
    confusion = np.array([[well[0, :64].sum(), well[0, 64:].sum()],
                          [ill[0, :64].sum(), ill[0, 64:].sum()]])  # fmt: skip
    return ScoreCounts(int(confusion.sum()), 0.5, confusion, ill, well, noise=noise**2)


def test_an_interval_of_noisy_counts_holds_the_true_auc_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    # What noise and bins cut at 0 pull towards a half is in the value: the truth is their mean.
    truth = float(np.mean([auc(drawn(rng, N, DEVIATION)) or 0 for _ in range(300)]))
    wide = narrow = 0
    for _ in range(100):
        counts = drawn(rng, N, DEVIATION)
        told, without = (auc_estimate(c, "binary") for c in (counts, replace(counts, noise=0.0)))
        wide += (told.low or 0) <= truth <= (told.high or 1)
        narrow += (without.low or 0) <= truth <= (without.high or 1)

    assert wide >= 90
    assert narrow < wide
