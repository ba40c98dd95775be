import numpy as np
import pytest

from medfl_common.metrics.calibration import (
    Group,
    brier,
    expected_calibration_error,
    middles,
    reliability,
    temperature,
)
from medfl_common.metrics.counts import N_BINS, Counts, histogram

NOTHING = np.zeros(N_BINS, dtype=np.int64)


def scored(n: int, seed: int, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Draw log-odds that mean what they say, then multiply them."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-0.3, 1.5, n)
    truth = rng.random(n) < 1 / (1 + np.exp(-odds))
    return odds * scale, truth.astype(int)


def counts(odds: np.ndarray, truth: np.ndarray) -> tuple[Counts, Counts]:
    return histogram(odds[truth == 1]), histogram(odds[truth == 0])


def scale_of(odds: np.ndarray, truth: np.ndarray) -> float:
    found = temperature(*counts(odds, truth))
    assert found is not None
    return found.value


def log_loss(odds: np.ndarray, truth: np.ndarray, divisor: float = 1.0) -> float:
    signed = np.where(truth == 1, odds, -odds) / divisor
    return float(np.logaddexp(0, -signed).mean())


def at_odds(odds: float, n: int) -> Counts:
    return histogram(np.full(n, odds))


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_the_temperature_is_the_factor_by_which_calibrated_scores_were_multiplied(
    scale: float,
) -> None:
    odds, truth = scored(20_000, 4, scale)

    assert scale_of(odds, truth) == pytest.approx(scale, rel=0.05)


def test_the_temperature_takes_the_calibration_error_away() -> None:
    odds, truth = scored(20_000, 5, scale=2.0)
    found = scale_of(odds, truth)

    before = expected_calibration_error(*counts(odds, truth)) or 0
    after = expected_calibration_error(*counts(odds / found, truth)) or 1

    assert before > 0.05 > 0.02 > after


def test_three_images_move_the_temperature_little_and_the_page_can_say_so() -> None:
    found = temperature(at_odds(1.0, 2), at_odds(-1.0, 1))  # all right: the smallest T fits best

    assert found is not None
    assert found.fitted == pytest.approx(0.05, rel=0.01)
    assert 0.8 < found.value < 1
    assert found.is_held


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("n", [3, 10, 20, 50])
def test_a_temperature_of_few_images_is_hardly_ever_worse_than_none(n: int, scale: float) -> None:
    odds, truth = scored(20_000, 8, scale)
    rng = np.random.default_rng(9)
    drawn = [rng.integers(0, len(odds), n) for _ in range(40)]
    found = [temperature(*counts(odds[i], truth[i])) for i in drawn]

    after = [log_loss(odds, truth, t.value) for t in found if t is not None]

    assert len(after) > 20
    assert np.mean(after) < log_loss(odds, truth) + 0.004


def test_a_thousand_images_have_the_temperature_that_fits_them_best() -> None:
    found = temperature(*counts(*scored(1_000, 10, scale=3.0)))

    assert found is not None
    assert found.value == pytest.approx(found.fitted, rel=0.05)
    assert not found.is_held


def test_brier_is_scikit_learns_but_for_the_width_of_a_bin() -> None:
    from sklearn.metrics import brier_score_loss

    odds, truth = scored(2_000, 6)

    exact = brier_score_loss(truth, 1 / (1 + np.exp(-odds)))

    assert brier(*counts(odds, truth)) == pytest.approx(exact, abs=0.001)


def test_two_groups_of_ten_images_are_those_counted_by_hand() -> None:
    low, high = 1 / (1 + np.exp(1.9375)), 1 / (1 + np.exp(-0.9375))  # 0.126 and 0.719
    positive = at_odds(-1.9, 1) + at_odds(0.9, 3)
    negative = at_odds(-1.9, 3) + at_odds(0.9, 3)

    found = reliability(positive, negative)

    assert found == [Group(pytest.approx(low), 0.25, 4), Group(pytest.approx(high), 0.5, 6)]
    error = 0.4 * (0.25 - low) + 0.6 * (high - 0.5)
    assert expected_calibration_error(positive, negative) == pytest.approx(error)


@pytest.mark.parametrize("n_groups", [1, 3, 10, 50])
def test_no_image_is_lost_whatever_the_groups(n_groups: int) -> None:
    positive, negative = counts(*scored(500, 7))
    chance = 1 / (1 + np.exp(-middles()))

    groups = reliability(positive, negative, n_groups)

    assert sum(group.n for group in groups) == 500
    assert sum(group.n * group.observed for group in groups) == pytest.approx(positive.sum())
    predicted = sum(group.n * group.predicted for group in groups)
    assert predicted == pytest.approx(((positive + negative) * chance).sum())
    assert len({int(group.predicted * n_groups) for group in groups}) == len(groups)


@pytest.mark.parametrize("measure", [temperature, brier, expected_calibration_error])
def test_one_class_alone_says_nothing_of_calibration(measure) -> None:  # type: ignore[no-untyped-def]
    assert measure(at_odds(1.0, 5), NOTHING) is None
    assert measure(NOTHING, at_odds(1.0, 5)) is None
    assert reliability(NOTHING, NOTHING) == []
