from time import process_time

import numpy as np
import pytest

from medfl_common.metrics.counts import N_BINS, ScoreCounts, histogram, scores
from medfl_common.metrics.estimates import estimates, spread
from medfl_common.metrics.intervals import delong, wilson

NAMES = [
    "auc",
    "pr_auc",
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "specificity",
    "f1",
    "kappa",
    "sensitivity_at_specificity",
    "ece",
    "brier",
]
TASKS = ["binary", "multiclass", "ordinal", "multilabel"]


def score_counts_of(task: str, n: int = 200) -> ScoreCounts:
    from sklearn.metrics import confusion_matrix

    rng = np.random.default_rng(7)
    odds = rng.normal(-0.3, 1.5, n)
    truth = rng.random(n) < 1 / (1 + np.exp(-odds))
    cells = confusion_matrix(truth, odds >= 0)
    n_curves = 1 if task == "binary" else 3
    if task in ("multiclass", "ordinal"):
        cells = np.array([[50, 9, 1], [8, 40, 12], [2, 18, 60]])
    if task == "multilabel":
        cells = np.stack([cells, cells, np.zeros((2, 2), dtype=np.int64)])
    curves = (np.stack([histogram(odds[kind])] * n_curves) for kind in (truth, ~truth))
    return ScoreCounts(n, 0.5, cells, *curves)


@pytest.mark.parametrize("task", TASKS)
def test_every_estimate_lies_in_its_interval(task: str) -> None:
    found = estimates(score_counts_of(task), task)

    assert list(found) == NAMES
    for estimate in found.values():
        assert estimate.low is not None
        assert estimate.low <= estimate.value <= estimate.high  # type: ignore[operator]


@pytest.mark.parametrize("task", TASKS)
def test_without_images_every_name_is_there_and_nothing_is_invented(task: str) -> None:
    full = score_counts_of(task)
    empty = ScoreCounts(0, 0.0, full.confusion * 0, full.positive * 0, full.negative * 0)

    found = estimates(empty, task)

    assert list(found) == NAMES
    assert all(
        (estimate.value, estimate.low, estimate.high) == (None, None, None)
        for estimate in found.values()
    )


def test_intervals_of_a_binary_task_are_those_with_a_formula() -> None:
    score_counts = score_counts_of("binary")
    (tn, fp), (fn, tp) = score_counts.confusion.tolist()

    found = estimates(score_counts, "binary")

    pairs = {name: (found[name].low, found[name].high) for name in found}
    assert pairs["auc"] == delong(score_counts.positive[0], score_counts.negative[0])
    assert pairs["accuracy"] == wilson(tp + tn, 200)
    assert pairs["precision"] == wilson(tp, tp + fp)
    assert pairs["recall"] == wilson(tp, tp + fn)
    assert pairs["specificity"] == wilson(tn, tn + fp)


def test_the_same_counts_give_the_same_intervals() -> None:
    assert estimates(score_counts_of("ordinal"), "ordinal") == estimates(
        score_counts_of("ordinal"), "ordinal"
    )


def test_kappa_is_quadratic_for_grades_and_where_asked_for() -> None:
    score_counts = score_counts_of("ordinal")
    plain, quadratic = scores(score_counts)["kappa"], scores(score_counts, quadratic=True)["kappa"]

    assert plain != quadratic
    assert estimates(score_counts, "multiclass")["kappa"].value == plain
    assert estimates(score_counts, "multiclass", quadratic=True)["kappa"].value == quadratic
    assert estimates(score_counts, "ordinal")["kappa"].value == quadratic


def test_more_specificity_leaves_no_more_sensitivity() -> None:
    score_counts = score_counts_of("binary")

    wide, strict = (
        estimates(score_counts, "binary", at)["sensitivity_at_specificity"].value or 0
        for at in (0.5, 0.99)
    )

    assert 0 < strict < wide


def test_an_interval_of_the_auc_holds_what_bins_hide() -> None:
    tied = np.zeros((1, N_BINS), dtype=np.int64)
    tied[0, 64] = 5000
    counts = ScoreCounts(10_000, 0.5, np.full((2, 2), 2500), tied, tied)

    found = estimates(counts, "binary")["auc"]

    assert (found.value, found.low, found.high, found.bound) == (0.5, 0.0, 1.0, 0.5)


def test_a_hundred_times_the_images_make_an_interval_ten_times_narrower() -> None:
    few = score_counts_of("binary")
    many = ScoreCounts(20_000, 0.5, few.confusion * 100, few.positive * 100, few.negative * 100)

    for name in ("f1", "brier", "kappa"):
        one, other = (estimates(score_counts, "binary")[name] for score_counts in (few, many))
        assert _width(one) / _width(other) == pytest.approx(10, rel=0.2)


def _width(estimate) -> float:  # type: ignore[no-untyped-def]
    return float(estimate.high - estimate.low)


def test_the_estimates_of_a_binary_task_take_less_than_a_second() -> None:
    score_counts = score_counts_of("binary", 20_000)
    start = process_time()

    estimates(score_counts, "binary")

    assert process_time() - start < 1  # 0.25 s on two cores


def test_the_worst_site_is_named() -> None:
    found = spread({"north": 0.9, "south": 0.7, "west": 0.8})

    assert found is not None
    assert (found.worst, found.lowest, found.best) == ("south", 0.7, "north")
    assert found.range == pytest.approx(0.2)
    assert found.deviation == pytest.approx(np.sqrt(0.02 / 3))


def test_no_site_has_no_spread() -> None:
    assert spread({}) is None
