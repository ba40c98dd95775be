"""The tests of a sweep against numbers by hand, published tables and other formulas."""

import numpy as np
import pytest

from medfl_sim.sweeps.significance import MIN_RANKED, Gap, Ranking, holm, nemenyi_q, paired, rank

# Demsar 2006, table 5a: q of .05 for 2, 3, 4, 5 classifiers.
PUBLISHED = {2: 1.960, 3: 2.343, 4: 2.569, 5: 2.728}

# Demsar 2006, table 6: AUC of C4.5, with m, with cf, with both, on 14 data sets. The paper's ranks
# set apart two that it prints as .975; so do these.
DEMSAR = np.array([
    [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970],
])  # fmt: skip
NAMES = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")


def test_holms_correction_is_the_one_worked_out_by_hand() -> None:
    """Sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04; .04 is raised to .06."""
    assert holm([0.01, 0.04, 0.03, None, 0.005]) == pytest.approx([0.03, 0.06, 0.06, None, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize(("k", "q"), PUBLISHED.items())
def test_nemenyis_q_is_the_published_one(k: int, q: float) -> None:
    assert nemenyi_q(k) == pytest.approx(q, abs=0.001)


def test_the_ranks_and_friedmans_statistic_are_those_of_the_paper() -> None:
    """Demsar: mean ranks 3.143, 2.000, 2.893, 1.964; chi-squared 9.28; CD 1.25 at .05.

    The paper's 9.28 leaves ties uncorrected; the corrected statistic is that over 1 - the ties'
    share: four blocks have ties, of 2, 2, 2 (6 each) and 4 (60), so 1 - 78 / (14 * 60).
    """
    found = rank(NAMES, DEMSAR)

    assert found is not None
    assert found.mean_ranks == pytest.approx((3.143, 2.000, 2.893, 1.964), abs=0.001)
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    assert found.statistic * (1 - 78 / (14 * 60)) == pytest.approx(9.28, abs=0.01)
    assert found.p < 0.05


def test_few_blocks_say_that_they_cannot_reach_the_level() -> None:
    """Two blocks of three treatments: at most chi-squared 4 with 2 degrees, p = exp(-2)."""
    found = rank(("a", "b", "c"), np.array([[0.9, 0.8, 0.7], [0.6, 0.5, 0.4]]))

    assert found is not None
    assert found.mean_ranks == (1, 2, 3)
    assert found.p == pytest.approx(np.exp(-2)) == found.best_p
    assert rank(("a", "b"), np.zeros((9, 2))) is None
    assert rank(("a", "b", "c"), np.zeros((1, 3))) is None
    tied = rank(("a", "b", "c"), np.ones((4, 3)))
    assert tied is not None
    assert (tied.statistic, tied.p, tied.mean_ranks) == (0, 1, (2, 2, 2))


def test_a_bar_joins_what_is_closer_than_the_critical_difference_and_no_bar_is_inside_another() -> (
    None
):
    """Ranks 1, 1.5, 3, 4 and 1.6: {1, 1.5}, {1.5, 3}, {3, 4}."""
    found = Ranking(("d", "a", "b", "c"), (4.0, 1.0, 1.5, 3.0), 9, 0.0, 1.0, 1.6)

    assert found.together() == [(0, 1), (1, 2), (2, 3)]
    wide = Ranking(("a", "b", "c"), (1.0, 2.0, 3.0), 9, 0.0, 1.0, 2.0)
    assert wide.together() == [(0, 2)]


def test_the_paired_test_is_scipys_and_the_interval_that_by_hand() -> None:
    """Differences .02, .04, .06; t(.975, 2) = 4.3027; standard deviation .02."""
    from scipy.stats import ttest_rel

    one, other = [0.72, 0.84, 0.96], [0.70, 0.80, 0.90]
    gap = paired(one, other)

    assert gap is not None
    half = 4.3027 * 0.02 / 3**0.5
    assert (gap.mean, gap.low, gap.high) == pytest.approx(
        (0.04, 0.04 - half, 0.04 + half), abs=1e-5
    )
    assert gap.p == pytest.approx(ttest_rel(one, other).pvalue)
    assert paired([0.5, 0.6], [0.4, 0.4]) == Gap(2, pytest.approx(0.15))
    assert paired([], []) is None


def test_seeds_that_make_no_difference_prove_nothing() -> None:
    assert paired([0.8] * 4, [0.7] * 4) == Gap(4, pytest.approx(0.1))
    same = paired([0.8, 0.7, 0.6], [0.8, 0.7, 0.6])
    assert same is not None
    assert same.p == 1.0


def test_ranks_of_fewer_seeds_than_said_cannot_reach_the_level() -> None:
    from scipy.stats import wilcoxon

    def smallest(n: int) -> float:
        return float(wilcoxon(np.arange(1, n + 1), method="exact").pvalue)

    assert smallest(MIN_RANKED) < 0.05 < smallest(MIN_RANKED - 1)
