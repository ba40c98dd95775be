"""The membership attack's figures, against scikit-learn, scipy and counting by hand."""

import numpy as np
import pytest

from medfl_common.metrics.membership import (
    FEWEST_HELD_OUT,
    N_MEMBERSHIP_BINS,
    Membership,
    attack_of,
    attack_on,
    clopper_pearson,
    counted,
    in_cells,
    merge_membership,
)


def test_the_attack_is_scikit_learns_auc_and_its_counts_are_near() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(1)
    trained, held_out = rng.normal(3.0, 2.0, 700).round(2), rng.normal(2.0, 2.0, 300).round(2)

    exact, binned = attack_on(trained, held_out), attack_of(counted(trained, held_out))

    truth = np.repeat([1, 0], [700, 300])
    wanted = roc_auc_score(truth, np.concatenate([trained, held_out]))
    assert exact is not None
    assert exact.interval is not None
    assert exact.auc == pytest.approx(wanted, abs=1e-12)
    assert exact.interval[0] < wanted < exact.interval[1]
    assert binned is not None
    assert binned.auc == pytest.approx(wanted, abs=0.02)
    threshold = np.sort(held_out)[-4]  # three of 300 are above it
    assert exact.found == pytest.approx(np.mean(trained > threshold))


def test_what_is_found_at_one_per_cent_is_counted_by_whole_bins() -> None:
    trained, held_out = np.zeros((2, N_MEMBERSHIP_BINS), dtype=np.int64)
    trained[[3, 10, 11]], held_out[[3, 10, 11]] = (50, 30, 20), (395, 4, 1)

    found = attack_of(Membership(trained, held_out))

    assert found is not None
    assert found.found == 0.2  # the last bin has one of 400; with the one before it would be five
    assert found.found_interval == pytest.approx((0.1267, 0.2918), abs=1e-4)
    few = attack_of(Membership(trained, held_out * 0 + 1))
    assert N_MEMBERSHIP_BINS < FEWEST_HELD_OUT
    assert few is not None
    assert few.found is None


@pytest.mark.parametrize(("successes", "n"), [(0, 20), (20, 20), (3, 40), (17, 100)])
def test_the_interval_is_scipys(successes: int, n: int) -> None:
    from scipy.stats import binomtest

    wanted = binomtest(successes, n).proportion_ci(0.95, "exact")

    assert clopper_pearson(successes, n) == pytest.approx((wanted.low, wanted.high))


def test_no_count_tells_of_fewer_than_a_cell_and_none_is_lost() -> None:
    rng = np.random.default_rng(2)
    for _ in range(300):
        counts = counted(rng.normal(rng.uniform(-2, 9), 3, rng.integers(0, 80)),
                         rng.normal(rng.uniform(-2, 9), 3, rng.integers(0, 40)))  # fmt: skip

        cells = in_cells(counts, 10)

        if counts.trained.sum() < 10 or counts.held_out.sum() < 10:
            assert cells is None
        else:
            assert cells is not None
            for own, whole in ((cells.trained, counts.trained), (cells.held_out, counts.held_out)):
                assert own.sum() == whole.sum()
                assert not ((own > 0) & (own < 10)).any()


def test_sites_add_up() -> None:
    one = counted(np.array([0.5, 5.0]), np.array([-1.5]))

    both = merge_membership([one, one])

    assert (both.trained.sum(), both.held_out.sum()) == (4, 2)
