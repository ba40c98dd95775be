"""Metrics from counts, against scikit-learn on the scores themselves and against brute force."""

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    cohen_kappa_score,
    confusion_matrix,
    roc_auc_score,
)

from medfl_common.calibration import brier, expected_calibration_error, reliability, temperature
from medfl_common.curves import (
    auc_with_bound,
    average_precision_with_bound,
    edges,
    rates_at,
    sensitivity_at,
    youden_threshold,
)
from medfl_common.estimates import estimates, spread
from medfl_common.intervals import bootstrap, delong, wilson
from medfl_common.metrics import N_BINS, Counts, Tally, auc, confusion_scores, histogram

RNG = np.random.default_rng


def scored(n: int, seed: int, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Draw log-odds that mean what they say, then multiply them."""
    rng = RNG(seed)
    odds = rng.normal(-0.3, 1.5, n)
    truth = rng.random(n) < 1 / (1 + np.exp(-odds))
    return odds * scale, truth.astype(int)


def counts(odds: np.ndarray, truth: np.ndarray) -> tuple[Counts, Counts]:
    return histogram(odds[truth == 1]), histogram(odds[truth == 0])


def few(*bins: tuple[int, int]) -> tuple[Counts, Counts]:
    """Put (positive, negative) images into bins next to each other, from low to high scores."""
    positive, negative = np.zeros((2, N_BINS), dtype=np.int64)
    for i, (p, n) in enumerate(bins):
        positive[40 + i], negative[40 + i] = p, n
    return positive, negative


@pytest.mark.parametrize("seed", range(5))
def test_the_scores_own_areas_lie_within_the_bounds_of_the_counts(seed: int) -> None:
    odds, truth = scored(300, seed, scale=0.2)  # narrow, so that many are tied
    area, bound = auc_with_bound(*counts(odds, truth)) or (0, 0)
    precision, reach = average_precision_with_bound(*counts(odds, truth)) or (0, 0)

    assert abs(roc_auc_score(truth, odds) - area) <= bound
    assert abs(average_precision_score(truth, odds) - precision) <= reach
    assert bound < 0.07


def test_the_bound_of_the_average_precision_is_reached_and_not_passed() -> None:
    positive, negative = few((1, 2), (2, 1), (0, 1), (1, 1))
    value, reach = average_precision_with_bound(positive, negative) or (0, 0)
    bins = [[1, 0, 0], [1, 1, 0], [0], [1, 0]]  # truth of the images in each bin

    found = []
    for orders in _orders(bins):
        ranked = [truth for order in reversed(orders) for truth in order]
        found.append(average_precision_score(ranked, np.arange(len(ranked), 0, -1)))

    assert max(abs(min(found) - value), abs(max(found) - value)) == pytest.approx(reach)


def _orders(bins: list[list[int]]) -> list[list[tuple[int, ...]]]:
    if not bins:
        return [[]]
    return [[o, *rest] for o in set(permutations(bins[0])) for rest in _orders(bins[1:])]


def test_counts_at_a_border_are_exact_and_the_sensitivity_keeps_its_specificity() -> None:
    odds, truth = scored(500, 1)
    positive, negative = counts(odds, truth)
    border = float(edges()[70])

    rates = rates_at(positive, negative, border)
    sensitivity, threshold = sensitivity_at(positive, negative, 0.9) or (0, 0)
    best = youden_threshold(positive, negative)

    called = odds >= border
    assert rates.true_positive == int((called & (truth == 1)).sum())
    assert rates.false_positive == int((called & (truth == 0)).sum())
    at = rates_at(positive, negative, threshold)
    assert (at.sensitivity, (at.specificity or 0) >= 0.9) == (sensitivity, True)
    lower = rates_at(positive, negative, threshold - 0.125)
    assert (lower.specificity or 0) < 0.9 or lower.sensitivity == sensitivity
    gains = [
        (r.sensitivity or 0) + (r.specificity or 0)
        for r in (rates_at(positive, negative, float(e)) for e in edges())
    ]
    here = rates_at(positive, negative, best or 0)
    assert (here.sensitivity or 0) + (here.specificity or 0) == pytest.approx(max(gains))


@pytest.mark.parametrize("quadratic", [False, True])
def test_kappa_and_balanced_accuracy_are_scikit_learns(quadratic: bool) -> None:
    rng = RNG(3)
    truth = rng.integers(0, 5, 400)
    guess = np.clip(truth + rng.integers(-2, 3, 400), 0, 4)
    empty = np.zeros((5, N_BINS), dtype=np.int64)

    found = confusion_scores(
        Tally(400, 0.0, confusion_matrix(truth, guess), empty, empty), quadratic
    )

    weights = "quadratic" if quadratic else None
    assert found["kappa"] == pytest.approx(cohen_kappa_score(truth, guess, weights=weights))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, guess))


def test_the_temperature_undoes_scores_that_are_twice_too_sure() -> None:
    odds, truth = scored(20_000, 4, scale=2.0)
    positive, negative = counts(odds, truth)

    found = temperature(positive, negative) or 0
    calibrated = counts(odds / found, truth)

    assert found == pytest.approx(2.0, abs=0.1)
    before = expected_calibration_error(positive, negative) or 0
    assert before > 0.05 > 0.02 > (expected_calibration_error(*calibrated) or 1)
    exact = brier_score_loss(truth, 1 / (1 + np.exp(-odds)))
    assert brier(positive, negative) == pytest.approx(exact, abs=0.001)
    assert sum(group.n for group in reliability(positive, negative)) == 20_000


def test_wilson_is_the_textbooks_and_never_leaves_the_range() -> None:
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(0, 0) is None


def test_delong_is_that_of_all_pairs() -> None:
    odds, truth = scored(120, 5)
    positive, negative = counts(odds, truth)
    bins = np.digitize(odds, edges()[1:-1])
    p, n = bins[truth == 1], bins[truth == 0]
    wins = (p[:, None] > n) + 0.5 * (p[:, None] == n)
    variance = wins.mean(1).var(ddof=1) / len(p) + wins.mean(0).var(ddof=1) / len(n)
    area = wins.mean()
    logit, spread_ = np.log(area / (1 - area)), np.sqrt(variance) / (area * (1 - area))

    low, high = delong(positive, negative) or (0, 0)

    assert low == pytest.approx(1 / (1 + np.exp(-(logit - 1.959964 * spread_))))
    assert high == pytest.approx(1 / (1 + np.exp(-(logit + 1.959964 * spread_))))


def test_a_perfect_order_of_few_images_is_not_called_certain() -> None:
    low, high = delong(*few((0, 5), (4, 0))) or (1, 0)

    assert (low < 0.6, high) == (True, 1.0)


def test_the_bootstrap_is_the_same_again_and_agrees_with_delong() -> None:
    odds, truth = scored(400, 6)
    positive, negative = counts(odds, truth)
    tally = Tally(400, 0.5, np.eye(2, dtype=np.int64) * 200, positive[None], negative[None])

    one, other = (bootstrap(tally, [auc], RNG(1), 400) for _ in range(2))

    assert one == other
    assert one[0] == pytest.approx(delong(positive, negative), abs=0.02)


@pytest.mark.parametrize("task", ["binary", "ordinal", "multilabel"])
def test_every_estimate_lies_in_its_interval_and_none_is_invented(task: str) -> None:
    odds, truth = scored(200, 7)
    positive, negative = counts(odds, truth)
    n_curves = 1 if task == "binary" else 3
    cells = confusion_matrix(truth, odds > 0)
    if task == "ordinal":
        cells = np.array([[50, 9, 1], [8, 40, 12], [2, 18, 60]])
    if task == "multilabel":
        cells = np.stack([cells, cells, np.zeros((2, 2), dtype=np.int64)])
    tally = Tally(200, 0.5, cells, np.stack([positive] * n_curves), np.stack([negative] * n_curves))

    found = estimates(tally, task)
    nothing = estimates(Tally(0, 0, cells * 0, tally.positive * 0, tally.negative * 0), task)

    assert list(found)[:3] == ["auc", "pr_auc", "accuracy"]
    for estimate in found.values():
        assert estimate.low is not None
        assert estimate.low <= estimate.value <= estimate.high  # type: ignore[operator]
    assert all(estimate.value is None for estimate in nothing.values())


def test_the_worst_site_is_named() -> None:
    found = spread({"north": 0.9, "south": 0.7, "west": 0.8})

    assert found is not None
    assert (found.worst, found.lowest, found.best) == ("south", 0.7, "north")
    assert found.deviation == pytest.approx(np.std([0.9, 0.7, 0.8]))
    assert spread({}) is None
