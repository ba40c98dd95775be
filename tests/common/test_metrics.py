import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from medfl_common.metrics import MAX_LOGIT, N_BINS, Tally, auc, histogram, merge, scores


def tally_of(odds: np.ndarray, truth: np.ndarray) -> Tally:
    guess = (odds >= 0).astype(int)
    confusion = np.zeros((2, 2), dtype=np.int64)
    np.add.at(confusion, (truth, guess), 1)
    return Tally(
        len(odds),
        0.5,
        confusion,
        histogram(odds[truth == 1])[None],
        histogram(odds[truth == 0])[None],
    )


def test_scores_of_pooled_counts_are_those_of_the_pooled_images() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 3000)
    odds = rng.normal(truth * 1.5, 1.0) - 0.75
    parts = np.array_split(np.arange(3000), [200, 900])

    pooled = merge([tally_of(odds[part], truth[part]) for part in parts])

    found = scores(pooled)
    guess = odds >= 0
    assert found["precision"] == pytest.approx(precision_score(truth, guess))
    assert found["recall"] == pytest.approx(recall_score(truth, guess))
    assert found["f1"] == pytest.approx(f1_score(truth, guess))
    assert found["auc"] == pytest.approx(roc_auc_score(truth, odds), abs=0.002)


def test_one_class_gives_no_auc_instead_of_a_half() -> None:
    assert auc(tally_of(np.array([0.1, 2.0]), np.array([1, 1]))) is None


def test_a_score_beyond_the_range_is_counted_in_the_last_bin() -> None:
    counts = histogram(np.array([-1e9, MAX_LOGIT, 1e9]))

    assert (counts[0], counts[N_BINS - 1], counts.sum()) == (1, 2, 3)


def test_three_classes_are_averaged_without_weights() -> None:
    confusion = np.array([[8, 2, 0], [0, 5, 5], [0, 0, 10]])
    curve = np.zeros((3, N_BINS), dtype=np.int64)

    found = scores(Tally(30, 0.1, confusion, curve, curve))

    assert found["accuracy"] == pytest.approx(23 / 30)
    assert found["recall"] == pytest.approx((0.8 + 0.5 + 1.0) / 3)
