import numpy as np
import pytest

from medfl_common.metrics.counts import (
    N_BINS,
    Counts,
    ScoreCounts,
    auc,
    confusion_scores,
    histogram,
)
from medfl_common.metrics.curves import edges
from medfl_common.metrics.intervals import Z, bootstrap, bootstrap_all, delong, wilson

RNG = np.random.default_rng


def counts(odds: np.ndarray, truth: np.ndarray) -> tuple[Counts, Counts]:
    return histogram(odds[truth == 1]), histogram(odds[truth == 0])


def few(*bins: tuple[int, int]) -> tuple[Counts, Counts]:
    """Put (positive, negative) images into bins next to each other, from low to high scores."""
    positive, negative = np.zeros((2, N_BINS), dtype=np.int64)
    for i, (p, n) in enumerate(bins):
        positive[40 + i], negative[40 + i] = p, n
    return positive, negative


def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = RNG(seed)
    truth = rng.integers(0, 2, n)
    return rng.normal(truth * 1.5, 1.0), truth


def test_wilson_is_the_textbooks_and_never_leaves_the_range() -> None:
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson(0, 0) is None


@pytest.mark.parametrize("seed", range(3))
def test_delong_is_that_of_all_pairs(seed: int) -> None:
    odds, truth = drawn(120, seed)
    bins = np.digitize(odds, edges()[1:-1])
    p, n = bins[truth == 1], bins[truth == 0]
    wins = (p[:, None] > n) + 0.5 * (p[:, None] == n)
    variance = wins.mean(1).var(ddof=1) / len(p) + wins.mean(0).var(ddof=1) / len(n)
    area = wins.mean()
    logit, deviation = np.log(area / (1 - area)), np.sqrt(variance) / (area * (1 - area))

    found = delong(*counts(odds, truth))

    expected = [1 / (1 + np.exp(-(logit + side * Z * deviation))) for side in (-1, 1)]
    assert found == pytest.approx(tuple(expected))


@pytest.mark.parametrize("bins", [[(0, 5), (4, 0)], [(4, 0), (0, 5)]])
def test_a_perfect_order_of_few_images_is_not_called_certain(bins: list[tuple[int, int]]) -> None:
    low, high = delong(*few(*bins)) or (0, 0)

    assert high - low > 0.4
    assert 0 <= low < high <= 1


def test_one_positive_image_says_next_to_nothing_however_many_others_there_are() -> None:
    low, high = delong(*few((0, 900), (1, 0), (0, 100))) or (0, 0)

    assert (low < 0.3, high > 0.95) == (True, True)


def test_without_images_of_a_kind_there_is_no_interval() -> None:
    positive, nothing = few((3, 0))

    assert delong(positive, nothing) is None
    assert (
        bootstrap(ScoreCounts(3, 0.1, np.diag([0, 3]), positive[None], nothing[None]), auc, RNG(0))
        is None
    )


def test_the_bootstrap_is_the_same_again_and_agrees_with_delong() -> None:
    positive, negative = counts(*drawn(400, 6))
    score_counts = ScoreCounts(
        400, 0.5, np.eye(2, dtype=np.int64) * 200, positive[None], negative[None]
    )

    one, other = (bootstrap(score_counts, auc, RNG(1)) for _ in range(2))

    assert one == other
    assert one == pytest.approx(delong(positive, negative), abs=0.02)


def test_the_bootstrap_of_an_accuracy_agrees_with_wilson() -> None:
    curve = np.zeros((1, N_BINS), dtype=np.int64)
    score_counts = ScoreCounts(400, 0.5, np.array([[150, 50], [30, 170]]), curve, curve)

    found = bootstrap(score_counts, lambda one: confusion_scores(one)["accuracy"], RNG(2), 2000)

    assert found == pytest.approx(wilson(320, 400), abs=0.01)


def test_no_image_moves_to_another_finding_or_from_its_class_in_a_draw() -> None:
    confusion = np.array([[[5, 1], [2, 3]], [[0, 0], [0, 0]], [[1, 0], [0, 2]]])
    positive = np.stack([few((n, 0), (n, 0))[0] for n in (3, 0, 1)])
    score_counts = ScoreCounts(11, 0.5, confusion, positive, positive * 2)
    seen: list[ScoreCounts] = []

    bootstrap_all(score_counts, lambda one: {"n": seen.append(one)}, RNG(3), 20)  # type: ignore[func-returns-value]

    assert len(seen) == 20
    for one in seen:
        assert one.confusion.sum(axis=(1, 2)).tolist() == [11, 0, 3]
        assert one.positive.sum(axis=1).tolist() == [6, 0, 2]
        assert one.negative.sum(axis=1).tolist() == [12, 0, 4]


def test_a_statistic_with_one_value_has_no_interval() -> None:
    score_counts = ScoreCounts(
        0, 0.0, np.zeros((2, 2), dtype=np.int64), *np.zeros((2, 1, N_BINS), dtype=np.int64)
    )

    assert bootstrap(score_counts, lambda _: 0.5, RNG(0), n_draws=1) is None
    assert bootstrap(score_counts, lambda _: 0.5, RNG(0), n_draws=2) == (0.5, 0.5)
