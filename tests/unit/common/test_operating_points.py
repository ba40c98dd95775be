import numpy as np
import pytest

from medfl_common.metrics.counts import N_BINS, Counts, histogram
from medfl_common.metrics.curves import edges, rates_at, youden_threshold
from medfl_common.metrics.operating_points import (
    fewest_negative,
    in_log_odds,
    points,
    specificity_point,
    youden_point,
)

Floats = np.ndarray


def drawn(rng: np.random.Generator, n: int, part: float = 0.5) -> tuple[Floats, Floats]:
    """Draw log-odds of positive and negative images that overlap, off the middle."""
    n_positive = max(5, round(n * part))
    return rng.normal(1.8, 1, n_positive), rng.normal(0.2, 1, max(5, n - n_positive))


def counts(positive: Floats, negative: Floats) -> tuple[Counts, Counts]:
    return histogram(positive), histogram(negative)


@pytest.mark.parametrize("n", [20, 40, 100])
def test_at_new_images_a_pulled_threshold_is_better_than_the_best_of_few(n: int) -> None:
    rng = np.random.default_rng(1)
    others = counts(*drawn(rng, 40_000))
    small = [counts(*drawn(rng, n, 0.3)) for _ in range(300)]

    plain = [_gain(others, youden_threshold(*pair)) for pair in small]
    pulled = [_gain(others, youden_point(*pair, 0.0)) for pair in small]

    assert np.mean(pulled) > np.mean(plain)


def test_many_images_have_youdens_own_threshold() -> None:
    pair = counts(*drawn(np.random.default_rng(2), 20_000))

    assert youden_point(*pair, -8.0) == pytest.approx(youden_threshold(*pair), abs=0.13)  # a bin


@pytest.mark.parametrize("n", [20, 30, 60, 200])
@pytest.mark.parametrize("specificity", [0.8, 0.9])
def test_new_negative_images_keep_the_specificity_on_average(n: int, specificity: float) -> None:
    rng = np.random.default_rng(3)
    others = counts(*drawn(rng, 40_000))
    small = [counts(*drawn(rng, n)) for _ in range(400)]

    found = [specificity_point(*pair, specificity) for pair in small]

    kept = [rates_at(*others, odds).specificity or 0 for odds in found if odds is not None]
    assert len(kept) > 300
    assert np.mean(kept) >= specificity


def test_a_specificity_of_nine_tenths_takes_nine_negative_images() -> None:
    positive = histogram(np.full(20, 3.0))

    assert fewest_negative(0.9) == 9
    assert specificity_point(positive, histogram(np.zeros(8)), 0.9) is None
    assert specificity_point(positive, histogram(np.zeros(9)), 0.9) is not None
    assert specificity_point(positive, np.zeros(N_BINS, dtype=np.int64), 0.9) is None


def test_each_named_threshold_is_a_border_with_the_rates_that_can_be_counted_there() -> None:
    positive, negative = drawn(np.random.default_rng(4), 300)

    found = points(*counts(positive, negative), 0.5, 0.9)

    assert set(found) == {"threshold", "youden", "at_specificity"}
    assert found["threshold"][0] == 0
    for odds, rates in found.values():
        assert odds in edges()
        assert rates.sensitivity == np.mean(positive >= odds)
        assert rates.specificity == np.mean(negative < odds)


@pytest.mark.parametrize(("chance", "odds"), [(0, -8), (1, 8), (0.5, 0), (0.75, np.log(3))])
def test_a_probability_has_its_log_odds_within_the_histogram(chance: float, odds: float) -> None:
    assert in_log_odds(chance) == pytest.approx(odds)


def _gain(pair: tuple[Counts, Counts], threshold: float | None) -> float:
    rates = rates_at(*pair, threshold or 0)
    return (rates.sensitivity or 0) + (rates.specificity or 0)
