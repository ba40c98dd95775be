import numpy as np
import pytest

from medfl_common.metrics.counts import (
    MAX_LOGIT,
    N_BINS,
    ScoreCounts,
    auc,
    histogram,
    merge,
    scores,
)


def score_counts_of(odds: np.ndarray, truth: np.ndarray) -> ScoreCounts:
    guess = (odds >= 0).astype(int)
    confusion = np.zeros((2, 2), dtype=np.int64)
    np.add.at(confusion, (truth, guess), 1)
    return ScoreCounts(
        len(odds),
        0.5,
        confusion,
        histogram(odds[truth == 1])[None],
        histogram(odds[truth == 0])[None],
    )


def test_scores_of_pooled_counts_are_those_of_the_pooled_images() -> None:
    from sklearn.metrics import (
        average_precision_score,
        balanced_accuracy_score,
        cohen_kappa_score,
        f1_score,
        precision_score,
        recall_score,
        roc_auc_score,
    )

    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 3000)
    odds = rng.normal(truth * 1.5, 1.0) - 0.75
    parts = np.array_split(np.arange(3000), [200, 900])

    pooled = merge([score_counts_of(odds[part], truth[part]) for part in parts])

    found = scores(pooled)
    guess = odds >= 0
    assert found["precision"] == pytest.approx(precision_score(truth, guess))
    assert found["recall"] == pytest.approx(recall_score(truth, guess))
    assert found["f1"] == pytest.approx(f1_score(truth, guess))
    assert found["specificity"] == pytest.approx(recall_score(truth, guess, pos_label=0))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, guess))
    assert found["kappa"] == pytest.approx(cohen_kappa_score(truth, guess))
    assert found["auc"] == pytest.approx(roc_auc_score(truth, odds), abs=0.002)
    assert found["pr_auc"] == pytest.approx(average_precision_score(truth, odds), abs=0.01)


def test_one_class_gives_no_auc_instead_of_a_half() -> None:
    assert auc(score_counts_of(np.array([0.1, 2.0]), np.array([1, 1]))) is None


def test_a_score_beyond_the_range_is_counted_in_the_last_bin() -> None:
    counts = histogram(np.array([-1e9, MAX_LOGIT, 1e9]))

    assert (counts[0], counts[N_BINS - 1], counts.sum()) == (1, 2, 3)


def test_three_classes_are_averaged_without_weights() -> None:
    confusion = np.array([[8, 2, 0], [0, 5, 5], [0, 0, 10]])
    curve = np.zeros((3, N_BINS), dtype=np.int64)

    found = scores(ScoreCounts(30, 0.1, confusion, curve, curve))

    assert found["accuracy"] == pytest.approx(23 / 30)
    assert found["recall"] == pytest.approx((0.8 + 0.5 + 1.0) / 3)
    assert found["specificity"] == pytest.approx((20 / 20 + 18 / 20 + 15 / 20) / 3)
    assert found["balanced_accuracy"] == found["recall"]


def class_score_counts(truth: np.ndarray, guess: np.ndarray, n_classes: int) -> ScoreCounts:
    from sklearn.metrics import confusion_matrix

    cells = confusion_matrix(truth, guess, labels=range(n_classes))
    return ScoreCounts(len(truth), 0.1, cells, *np.zeros((2, n_classes, N_BINS), dtype=np.int64))


@pytest.mark.parametrize("quadratic", [False, True])
def test_kappa_of_grades_is_scikit_learns(quadratic: bool) -> None:
    from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score

    rng = np.random.default_rng(3)
    truth = rng.integers(0, 5, 400)
    guess = np.clip(truth + rng.integers(-2, 3, 400), 0, 4)

    found = scores(class_score_counts(truth, guess, 5), quadratic)

    weights = "quadratic" if quadratic else None
    assert found["kappa"] == pytest.approx(cohen_kappa_score(truth, guess, weights=weights))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, guess))


def test_a_grade_that_nobody_has_still_keeps_its_neighbours_apart() -> None:
    from sklearn.metrics import cohen_kappa_score

    truth, guess = np.array([0, 0, 1, 3, 3]), np.array([0, 1, 1, 3, 0])  # grade 2 is empty

    found = scores(class_score_counts(truth, guess, 4), quadratic=True)["kappa"]

    expected = cohen_kappa_score(truth, guess, labels=range(4), weights="quadratic")
    assert found == pytest.approx(expected)


def test_findings_without_data_do_not_count_in_the_mean() -> None:
    confusion = np.array([[[6, 2], [1, 3]], [[4, 0], [4, 4]], [[0, 0], [0, 0]]])
    curve = np.zeros((3, N_BINS), dtype=np.int64)

    found = scores(ScoreCounts(12, 0.1, confusion, curve, curve))

    assert found["specificity"] == pytest.approx((6 / 8 + 4 / 4) / 2)
    assert found["balanced_accuracy"] == pytest.approx(((6 / 8 + 3 / 4) / 2 + (1 + 4 / 8) / 2) / 2)
    by_hand = [(9 / 12 - 76 / 144) / (68 / 144), (8 / 12 - 64 / 144) / (80 / 144)]
    assert found["kappa"] == pytest.approx(np.mean(by_hand))


def test_a_score_with_nothing_to_stand_on_is_none() -> None:
    all_negative = scores(score_counts_of(np.array([-2.0, -1.0]), np.array([0, 0])))

    none = ("auc", "pr_auc", "precision", "recall", "f1", "kappa")
    assert [name for name, value in all_negative.items() if value is None] == [
        name for name in all_negative if name in none
    ]
    assert (all_negative["accuracy"], all_negative["specificity"]) == (1.0, 1.0)


@pytest.mark.parametrize("shape", [(2, 2), (3, 3), (4, 2, 2)])
def test_without_images_every_score_is_there_and_none(shape: tuple[int, ...]) -> None:
    curve = np.zeros((1 if shape == (2, 2) else shape[0], N_BINS), dtype=np.int64)

    found = scores(ScoreCounts(0, 0.0, np.zeros(shape, dtype=np.int64), curve, curve))

    some = scores(score_counts_of(np.array([-2.0, 1.0]), np.array([0, 1])))
    assert found == dict.fromkeys(some)
