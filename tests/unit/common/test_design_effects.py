"""Intervals count patients: against the bootstrap of patients, and by their coverage."""

from dataclasses import replace

import numpy as np
import pytest

from medfl_common.metrics.clusters import SCORES, DesignEffects, PatientImages
from medfl_common.metrics.counts import ScoreCounts, area, histogram, in_bins, merge
from medfl_common.metrics.design_effects import design_effects
from medfl_common.metrics.estimates import auc_estimate, effects_of, estimates
from medfl_common.metrics.intervals import delong, wilson

RNG = np.random.default_rng
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def slices(
    n_patients: int, n_each: int, rng: np.random.Generator, is_mixed: bool = False
) -> Arrays:
    """Draw log-odds, truths and patients: 70 % of the noise is the patient's, not the slice's."""
    patient = np.repeat(np.arange(n_patients), n_each)
    n = len(patient)
    truth = patient % 2
    if is_mixed:  # most patients have slices of both kinds
        truth = (rng.random(n) < 0.2 + 0.6 * truth).astype(np.int64)
    noise = np.sqrt(0.7) * rng.normal(size=n_patients)[patient]
    return 1.2 * truth + noise + np.sqrt(0.3) * rng.normal(size=n) - 0.6, truth, patient


def counted(odds: np.ndarray, truth: np.ndarray, patient: np.ndarray) -> ScoreCounts:
    cell = (truth * 2 + (odds >= 0))[:, None]
    images = PatientImages(patient, cell, in_bins(odds)[:, None], truth[:, None])
    confusion = np.bincount(cell[:, 0], minlength=4).reshape(2, 2)
    curves = (histogram(odds[truth == side])[None] for side in (1, 0))
    return ScoreCounts(len(odds), 0.5, confusion, *curves, images)


@pytest.mark.parametrize("is_mixed", [False, True])
def test_the_deviation_of_each_score_is_that_of_scikit_learn_with_patients_drawn_anew(
    is_mixed: bool,
) -> None:
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

    rng = RNG(5)
    odds, truth, patient = slices(60, 6, rng, is_mixed)
    counts = counted(odds, truth, patient)
    drawn = []
    for _ in range(400):
        who = rng.integers(0, 60, 60)
        i = (who[:, None] * 6 + np.arange(6)).ravel()
        chance, y = 1 / (1 + np.exp(-odds[i])), truth[i]
        right = (chance >= 0.5) == (y == 1)
        drawn.append([roc_auc_score(y, chance), average_precision_score(y, chance), right.mean(),
                      right[y == 1].mean(), brier_score_loss(y, chance)])  # fmt: skip
    expected = np.std(drawn, axis=0)

    found = estimates(counts, "binary")

    for name, deviation in zip(
        ("auc", "pr_auc", "accuracy", "recall", "brier"), expected, strict=True
    ):
        low, high = found[name].low, found[name].high
        assert low is not None
        assert high is not None
        assert (high - low) / (2 * 1.96) == pytest.approx(deviation, rel=0.2), name


def test_intervals_of_alike_slices_hold_the_truth_19_times_in_20() -> None:
    rng = RNG(1)
    odds, truth, _ = slices(20_000, 1, RNG(9))
    true_area = area(histogram(odds[truth == 1]), histogram(odds[truth == 0]))
    true_share = float(((odds >= 0) == (truth == 1)).mean())
    holds = np.zeros(3)
    for _ in range(100):
        counts = counted(*slices(20, 10, rng))
        assert isinstance(counts.clusters, PatientImages)
        effects = design_effects(counts, counts.clusters, 0.9).values
        curves = counts.positive[0], counts.negative[0]
        right = float(np.trace(counts.confusion))
        ends = (
            (delong(*curves, effects[0]), true_area),
            (wilson(right, counts.n, effects[2]), true_share),
            (delong(*curves), true_area),
        )
        holds += [e is not None and e[0] <= truth <= e[1] for e, truth in ends]

    assert holds[0] >= 91  # the AUC by patients
    assert holds[1] >= 91  # accuracy by patients
    assert holds[2] <= 75  # what counting images made of it


@pytest.mark.parametrize("n", [6, 40])
def test_one_image_a_patient_gives_the_numbers_of_independent_images(n: int) -> None:
    counts = counted(*slices(n, 1, RNG(2)))
    alone = ScoreCounts(n, 0.5, counts.confusion, counts.positive, counts.negative)

    by_patient, by_image = estimates(counts, "binary"), estimates(alone, "binary")

    for name in SCORES:
        assert by_patient[name].independent == "patients"
        assert (by_patient[name].low, by_patient[name].high) == (
            by_image[name].low,
            by_image[name].high,
        )


def test_two_patients_have_no_interval() -> None:
    counts = counted(*slices(2, 40, RNG(3), is_mixed=True))

    found = auc_estimate(counts, "binary")

    assert found.value is not None
    assert (found.low, found.high) == (None, None)
    assert (found.independent, found.n_patients) == ("too few", 2)


def test_images_of_one_class_give_the_specificity_the_interval_that_it_has_with_both() -> None:
    odds, truth, patient = slices(40, 3, RNG(7))
    alone = counted(odds[truth == 0], truth[truth == 0], patient[truth == 0])

    both, one = (estimates(c, "binary") for c in (counted(odds, truth, patient), alone))

    assert one["specificity"].low is not None
    assert one["specificity"] == replace(both["specificity"], n=alone.n)
    assert one["recall"].value is None


def test_a_perfect_score_counts_each_patient_once() -> None:
    patient = np.repeat(np.arange(20), 5)
    truth = patient % 2
    counts = counted(np.where(truth == 1, 3.0, -3.0), truth, patient)

    found = estimates(counts, "binary")["accuracy"]

    least = wilson(20, 20)  # a patient's five images are as one, so it is no narrower
    assert least is not None
    assert found.value == 1.0
    assert found.low is not None
    assert found.low <= least[0] + 1e-9


def test_sites_that_tell_no_design_effect_get_the_mean_of_the_others() -> None:
    width = len(SCORES) + 1

    def site(n: int, clusters: DesignEffects | None) -> ScoreCounts:
        odds, truth, _ = slices(n, 1, RNG(n))
        counts = counted(odds, truth, np.arange(n))
        return ScoreCounts(n, 0.5, counts.confusion, counts.positive, counts.negative, clusters)

    def told(effect: float, n: int) -> DesignEffects:
        return DesignEffects(np.full(width, effect), np.full(width, n))

    both = effects_of(merge([site(100, told(2.0, 25)), site(300, told(4.0, 50))]))
    some = effects_of(merge([site(100, told(2.0, 25)), site(300, told(0.0, 0)), site(50, None)]))
    none = merge([site(100, None), site(300, None)])

    assert both is not None
    assert (both.values[0], both.n_patients) == (3.5, 75)
    assert some is not None
    assert (some.values[0], some.n_patients) == (2.0, None)
    assert auc_estimate(none, "binary").independent == "images"


def test_patients_of_two_sites_are_not_taken_for_one_another() -> None:
    parts = [counted(*slices(12, 4, RNG(seed))) for seed in (1, 2)]
    odds, truth, patient = (
        np.concatenate(pair)
        for pair in zip(slices(12, 4, RNG(1)), slices(12, 4, RNG(2)), strict=True)
    )
    patient[48:] += 12

    assert auc_estimate(merge(parts), "binary") == auc_estimate(
        counted(odds, truth, patient), "binary"
    )
