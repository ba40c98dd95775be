"""A kept model is scored in a round and at the end: the difference tells of no fewer images."""

import numpy as np
import pytest
from tests.masks import some_cases

from medfl_common.metrics.counts import N_BINS, N_COARSE_BINS, ScoreCounts, coarser
from medfl_common.metrics.mask_counts import (
    HISTOGRAMS,
    N_CASE_BINS,
    N_COARSE_CASE_BINS,
    coarser_masks,
)


def ends(*images: np.ndarray) -> set[tuple[int, ...]]:
    """Sum up the counts to the end of each bin."""
    return {*zip(*(np.cumsum(one).tolist() for one in images), strict=True)}


@pytest.mark.parametrize("seed", range(10))
def test_histograms_of_scores(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = [rng.integers(*places, 60) for places in ((40, 110), (20, 90))]
    positive, negative = (np.bincount(one, minlength=N_BINS)[None] for one in drawn)
    counts = ScoreCounts(120, 0.5, np.array([[60, 0], [0, 60]]), positive, negative)

    few, many = (coarser(counts, n, 10) for n in (N_COARSE_BINS, N_BINS))

    assert ends(few.positive[0], few.negative[0]) <= ends(many.positive[0], many.negative[0])


@pytest.mark.parametrize("seed", range(10))
def test_histograms_of_cases(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = some_cases(*rng.uniform(0, 1, 60).tolist())

    few, many = (coarser_masks(counts, n, 10) for n in (N_COARSE_CASE_BINS, N_CASE_BINS))

    for name in HISTOGRAMS:
        assert ends(getattr(few, name)[0]) <= ends(getattr(many, name)[0])
