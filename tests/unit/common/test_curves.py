from itertools import permutations, product

import numpy as np
import pytest

from medfl_common.metrics.counts import N_BINS, Counts, histogram
from medfl_common.metrics.curves import (
    Rates,
    auc_with_bound,
    average_precision_with_bound,
    edges,
    rates_at,
    roc,
    sensitivity_at,
    youden_threshold,
)


def drawn(n: int, seed: int, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    odds = rng.normal(-0.3, 1.5, n)
    truth = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(int)
    return odds * scale, truth


def counts(odds: np.ndarray, truth: np.ndarray) -> tuple[Counts, Counts]:
    return histogram(odds[truth == 1]), histogram(odds[truth == 0])


def few(*bins: tuple[int, int]) -> tuple[Counts, Counts]:
    """Put (positive, negative) images into bins next to each other, from low to high scores."""
    positive, negative = np.zeros((2, N_BINS), dtype=np.int64)
    for i, (p, n) in enumerate(bins):
        positive[40 + i], negative[40 + i] = p, n
    return positive, negative


NOTHING = np.zeros(N_BINS, dtype=np.int64)


@pytest.mark.parametrize("seed", range(5))
def test_the_scores_own_areas_lie_within_the_bounds_of_the_counts(seed: int) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    odds, truth = drawn(300, seed, scale=0.2)  # narrow, so that many are tied

    area, bound = auc_with_bound(*counts(odds, truth)) or (0, 0)
    precision, reach = average_precision_with_bound(*counts(odds, truth)) or (0, 0)

    assert abs(roc_auc_score(truth, odds) - area) <= bound < 0.07
    assert abs(average_precision_score(truth, odds) - precision) <= reach < 0.15


@pytest.mark.parametrize(
    "bins", [[(1, 2), (2, 1), (0, 1), (1, 1)], [(1, 0), (2, 1), (0, 2)], [(3, 1)]]
)
def test_the_bounds_are_reached_by_some_order_within_the_bins_and_passed_by_none(
    bins: list[tuple[int, int]],
) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    positive, negative = few(*bins)
    ranked = [_truth_and_scores(order) for order in product(*(_orders(*b) for b in bins))]

    for of_counts, of_scores in (
        (auc_with_bound, roc_auc_score),
        (average_precision_with_bound, average_precision_score),
    ):
        value, bound = of_counts(positive, negative) or (0, 0)
        assert max(abs(of_scores(*order) - value) for order in ranked) == pytest.approx(bound)


def _orders(p: int, n: int) -> list[list[tuple[int, int]]]:
    """Give every order of a bin's images with every choice of ties, as (truth, place) of each."""
    truths = set(permutations([1] * p + [0] * n))
    steps = list(product([0, 1], repeat=p + n - 1))
    return [
        list(zip(truth, np.cumsum([0, *step]), strict=True)) for truth in truths for step in steps
    ]


def _truth_and_scores(bins: tuple[list[tuple[int, int]], ...]) -> tuple[list[int], list[int]]:
    images = [(truth, 100 * i + place) for i, one in enumerate(bins) for truth, place in one]
    return [truth for truth, _ in images], [score for _, score in images]


def test_counts_at_a_border_are_those_of_the_scores() -> None:
    odds, truth = drawn(500, 1)
    border = float(edges()[70])
    odds[0] = border  # a score at the threshold is called

    rates = rates_at(*counts(odds, truth), border)

    called = odds >= border
    cells = [np.sum(called & (truth == 1)), np.sum(called & (truth == 0))]
    cells += [np.sum(~called & (truth == 0)), np.sum(~called & (truth == 1))]
    assert rates == Rates(*cells)


def test_rates_of_ten_images_are_those_counted_by_hand() -> None:
    rates = rates_at(*few((1, 4), (3, 2)), float(edges()[41]))

    assert rates == Rates(3, 2, 4, 1)
    assert (rates.sensitivity, rates.specificity) == (3 / 4, 4 / 6)
    assert (rates.precision, rates.negative_predictive_value) == (3 / 5, 4 / 5)


def test_a_rate_of_no_images_is_none_and_an_infinite_threshold_calls_nothing() -> None:
    rates = rates_at(*few((1, 4), (3, 0)), np.inf)

    assert (rates.precision, rates.specificity) == (None, 1.0)
    assert rates_at(NOTHING, NOTHING, 0.0).negative_predictive_value is None


@pytest.mark.parametrize("specificity", [0.0, 0.5, 0.9, 1.0])
def test_no_border_with_the_asked_specificity_has_a_better_sensitivity(specificity: float) -> None:
    positive, negative = counts(*drawn(500, 2))

    sensitivity, threshold = sensitivity_at(positive, negative, specificity) or (0, 0)

    at_each = [rates_at(positive, negative, float(edge)) for edge in edges()]
    best = max(r.sensitivity or 0 for r in at_each if (r.specificity or 0) >= specificity)
    at = rates_at(positive, negative, threshold)
    assert (sensitivity, at.sensitivity) == (pytest.approx(best), sensitivity)
    assert (at.specificity or 0) >= specificity


def test_no_border_is_better_than_youdens_and_of_a_gap_it_is_the_middle() -> None:
    positive, negative = counts(*drawn(500, 3))
    at_each = [rates_at(positive, negative, float(edge)) for edge in edges()]

    best = rates_at(positive, negative, youden_threshold(positive, negative) or 0)

    assert _youden(best) == pytest.approx(max(map(_youden, at_each)))
    assert youden_threshold(*few((0, 4), (0, 0), (0, 0), (5, 0))) == edges()[42]


def _youden(rates: Rates) -> float:
    return (rates.sensitivity or 0) + (rates.specificity or 0) - 1


def test_the_plotted_curve_goes_through_scikit_learns_points() -> None:
    from sklearn.metrics import roc_curve

    odds, truth = drawn(300, 4)
    binned = np.digitize(odds, edges()[1:-1])
    false, true, _ = roc_curve(truth, binned, drop_intermediate=False)

    found = list(zip(*roc(*counts(odds, truth)), strict=True))

    assert (found[0], found[-1]) == ((0, 0), (1, 1))
    assert {(x.round(9), y.round(9)) for x, y in zip(false, true, strict=True)} == {
        (x.round(9), y.round(9)) for x, y in found
    }


@pytest.mark.parametrize(
    "measure", [auc_with_bound, average_precision_with_bound, youden_threshold]
)
def test_one_class_alone_has_no_curve(measure) -> None:  # type: ignore[no-untyped-def]
    positive, _ = few((3, 0))

    assert measure(positive, NOTHING) is None
    assert measure(NOTHING, positive) is None
    assert sensitivity_at(positive, NOTHING, 0.9) is None
