import numpy as np
import pytest
from tests.masks import one_case, some_cases

from medfl_common.metrics.enough import case_digits
from medfl_common.metrics.intervals import student
from medfl_common.metrics.mask_counts import (
    HISTOGRAMS,
    N_CASE_BINS,
    SHORTEST_MM,
    case_bin_places,
    coarser_masks,
    distance_bins,
    empty_mask_counts,
    merge_masks,
    share_bins,
    volume_bins,
)
from medfl_common.metrics.mask_estimates import (
    class_estimates,
    class_scores,
    mask_estimates,
    mask_scores,
    middles_mm,
)


def test_values_stand_in_the_bins_that_a_hand_computes() -> None:
    assert share_bins(np.array([0.0, 0.019, 0.02, 0.28, 0.58, 1.0])).tolist() == [
        0, 0, 1, 14, 29, 49,
    ]  # fmt: skip
    assert volume_bins(np.array([-1.0, -0.01, 0.0, 0.04, 5.0])).tolist() == [0, 25, 25, 26, 49]
    # 48 bins over four decades: 12 a decade
    assert distance_bins(np.array([0.0, 0.1, 0.101, 1.001, 999.0, 5e4, np.inf])).tolist() == [
        0, 0, 1, 13, 48, 48, 49,
    ]  # fmt: skip


def test_scores_of_three_cases_are_those_of_a_hand() -> None:
    counts = merge_masks([one_case(0.9, 1.0), one_case(0.6, 10.0), one_case(0.0, np.inf)])

    found = mask_scores(counts, None)

    assert found["dice"] == pytest.approx(0.5)
    assert found["median_dice"] == pytest.approx(0.61)  # the middle of 0.60..0.62
    assert found["voxel_dice"] == pytest.approx(0.5)  # 1500 of 3000
    assert found["hd95"] == pytest.approx((1.0 * 10.0 * 1000.0) ** (1 / 3))
    assert found["median_hd95"] == pytest.approx(10.0, rel=0.11)
    assert found["lesion_sensitivity"] == pytest.approx(2 / 3)
    assert found["lesion_f1"] == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert found["volume"] == 0.0  # as many false as missed: the bin -0.02..0.02
    assert found["false_alarms"] is None  # every truth has both classes


def test_merged_sites_score_like_their_cases_together() -> None:
    rng = np.random.default_rng(1)
    dice = rng.beta(8, 2, 60).round(3)
    sites = [some_cases(*dice[:25]), some_cases(*dice[25:])]

    found = mask_estimates(merge_masks(sites))

    assert found["dice"].value == pytest.approx(dice.mean(), abs=1e-9)
    assert found["median_dice"].value == pytest.approx(np.median(dice), abs=0.02)
    low, high = found["dice"].low, found["dice"].high
    se = dice.std(ddof=1) / 60**0.5
    assert low == pytest.approx(dice.mean() - 1.96 * se, abs=0.008)
    assert high == pytest.approx(dice.mean() + 1.96 * se, abs=0.008)


def test_the_interval_of_a_mean_holds_it_where_bins_are_joined_to_one() -> None:
    rng, alpha, beta = np.random.default_rng(4), 4, 2
    told = []
    for _ in range(200):
        joined = coarser_masks(some_cases(*rng.beta(alpha, beta, 15)), N_CASE_BINS, 10)
        told.append(class_estimates(joined, 0)["dice"])

    holds = [e.low <= alpha / (alpha + beta) <= e.high for e in told if e.low and e.high]

    assert len(holds) == 200
    assert np.mean(holds) > 0.9
    assert student(9) == pytest.approx(2.262, abs=0.005)


@pytest.mark.parametrize(("n_bins", "off"), [(10, 0.05), (N_CASE_BINS, 0.01)])
def test_the_interval_of_a_median_holds_its_bin(n_bins: int, off: float) -> None:
    counts = coarser_masks(some_cases(*[0.9] * 12, hd95=0.0), n_bins, 10)

    found = class_estimates(counts, 0, n_bins)

    dice, far = found["median_dice"], found["median_hd95"]
    assert far.low == 0.0
    assert far.high is not None
    assert far.high >= SHORTEST_MM
    assert None not in (dice.low, dice.value, dice.high)
    assert [dice.low, dice.high] == pytest.approx([dice.value - off, dice.value + off])


def test_a_median_is_told_of_many_bins_or_of_cases_that_are_alike() -> None:
    dice = np.random.default_rng(5).beta(4, 2, 60)
    few, many, alike = (
        coarser_masks(some_cases(*values), N_CASE_BINS, 10)
        for values in (dice[:15], dice, 0.945 + 0.01 * dice)
    )

    assert [class_scores(one, 0)["median_dice"] is None for one in (few, many, alike)] == [
        True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("n_bins", [10, N_CASE_BINS])
@pytest.mark.parametrize(("n_seen", "n_unseen", "told"), [(12, 11, 11), (8, 11, 19), (12, 4, 0)])
def test_enough_cases_without_a_surface_stay_apart(
    n_bins: int, n_seen: int, n_unseen: int, told: int
) -> None:
    counts = some_cases(*[0.8] * n_seen, *[0.0] * n_unseen)

    found = coarser_masks(counts, n_bins, 10).hd95[0]

    assert (found[-1], found.sum()) == (told, n_seen + n_unseen)
    assert found[found > 0].min() >= 10


@pytest.mark.parametrize("n_bins", [10, N_CASE_BINS])
def test_joined_bins_hold_enough_cases_lose_none_and_keep_the_middle(n_bins: int) -> None:
    dice = np.random.default_rng(2).beta(6, 2, 40)
    counts = some_cases(*dice)

    found = coarser_masks(counts, n_bins, 5)

    for name in HISTOGRAMS:
        row = getattr(found, name)[0]
        assert row.sum() == 40
        assert row[row > 0].min() >= 5
        assert not np.delete(row, case_bin_places(n_bins)).any()
    # a bin's middle, and the joined mean's rounding
    middles = (np.arange(N_CASE_BINS) + 0.5) / N_CASE_BINS
    assert found.dice[0] @ middles / 40 == pytest.approx(dice.mean(), abs=1 / n_bins)


def test_a_case_without_surface_makes_the_median_infinite_only_where_it_is_the_middle() -> None:
    one, none = one_case(0.9, 2.0), one_case(0.0, np.inf)

    assert mask_scores(merge_masks([one, one, none]), None)["median_hd95"] == pytest.approx(
        2, rel=0.1
    )
    assert mask_scores(merge_masks([one, none, none]), None)["median_hd95"] == np.inf
    near = [one_case(0.9, mm) for mm in (1.8, 2.2, 2.7, 3.3)]
    found = mask_estimates(merge_masks([*near, none, none, none]))["median_hd95"]
    assert (found.low, found.high) == (pytest.approx(2, abs=0.4), np.inf)
    assert middles_mm()[0] == 0


def test_no_case_gives_no_score_and_few_cases_few_digits() -> None:
    assert set(mask_scores(empty_mask_counts(2)).values()) == {None}
    assert mask_estimates(empty_mask_counts(2))["dice"].low is None
    assert (case_digits(4), case_digits(12), case_digits(500)) == (1, 2, 3)
