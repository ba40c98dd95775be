"""k-fold by patients: who is tested when, and the figures of the folds."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import MakePlan

from medfl_client.data.split import Person
from medfl_common.errors import ConfigError, RunError
from medfl_common.metrics.clusters import PatientImages
from medfl_common.metrics.counts import ScoreCounts, histogram, in_bins
from medfl_common.metrics.estimates import Estimate
from medfl_common.run.model_file import load_model
from medfl_sim.data.fold import Fold
from medfl_sim.data.hospitals import read_hospitals
from medfl_sim.runs.folds import mean_auc
from medfl_sim.runs.further import Further
from medfl_sim.runs.job import Job, do


@pytest.mark.parametrize("seed", range(200))
def test_every_patient_is_tested_in_one_fold_and_somebody_trains_in_each(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, rng.integers(1, 5), rng.integers(2, 60)).tolist()
    n_folds, validation = int(rng.integers(2, 8)), rng.uniform(0, 0.9)
    persons = {str(i): Person({f"{i * 7919 % 61:02x}{i}"}, label) for i, label in enumerate(labels)}

    folds = [Fold(i + 1, n_folds).parts(persons, validation) for i in range(n_folds)]

    for parts in folds:
        assert parts.keys() == persons.keys()
        assert "train" in parts.values()
    for name in persons:
        assert [parts[name] for parts in folds].count("test") == 1
    sizes = [[*parts.values()].count("test") for parts in folds]
    assert max(sizes) - min(sizes) <= 1
    for label in {*labels}:
        of = [name for name, person in persons.items() if person.label == label]
        tested = [sum(parts[name] == "test" for name in of) for parts in folds]
        assert max(tested) - min(tested) <= 1


@pytest.mark.slow
def test_each_fold_is_scored_on_its_own_patients_by_a_model_that_never_saw_them(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    from sklearn.metrics import roc_auc_score  # a second to import

    plan_file = make_plan(federation={"rounds": 1})
    job = Job(plan_file, hospitals, baselines=False, further=Further(n_folds=2))

    study = do(job, tmp_path / "run")

    found = json.loads(study.files.fold_scores.read_text())
    tested: list[set[tuple[str, str]]] = []
    areas = []
    for number, estimate in enumerate(found["each"], start=1):
        sites = read_hospitals(hospitals, study.plan, fold=Fold(number, 2)).sites
        members = {name: site.data(study.plan).members for name, site in sites.items()}
        tested.append({(n, p) for n, of in members.items() if of for p in of()["test"]})
        trained = {(n, p) for n, of in members.items() if of for p in of()["train"]}
        assert not tested[-1] & trained
        _, model, _ = load_model(study.files.folds / str(number))
        scores, truth = [], []
        for site in sites.values():
            test = site.data(study.plan).test
            ((pixels, targets),) = test.batches(torch.arange(len(test)), len(test))
            scores.append(model(pixels).detach()[:, 0].numpy())
            truth.append(targets[:, 0].numpy())
        assert estimate["n"] == sum(map(len, truth))
        areas.append(roc_auc_score(np.concatenate(truth), np.concatenate(scores)))
        assert estimate["value"] == pytest.approx(areas[-1], abs=estimate["bound"] + 1e-9)
    assert not tested[0] & tested[1]
    assert found["together"]["n"] == 120
    mean = found["mean"]
    assert mean["value"] == pytest.approx(np.mean([e["value"] for e in found["each"]]))
    assert mean["low"] <= mean["value"] <= mean["high"]
    assert "each of the 120 images is tested once" in study.files.folds_page.read_text()
    with pytest.raises(RunError, match=r"fold 1 in .* tests other patients"):
        do(Job(plan_file, hospitals, baselines=False, further=Further(n_folds=3)), study.folder)


def test_a_hospital_with_one_patient_has_no_folds(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    lines = (hospitals / "site-1" / "labels.csv").read_text().splitlines()
    (hospitals / "site-1" / "labels.csv").write_text("\n".join(lines[:2]) + "\n")
    job = Job(make_plan(federation={"rounds": 1}), hospitals, baselines=False,
              further=Further(n_folds=2))  # fmt: skip

    with pytest.raises(ConfigError, match="site-1 has 1 patient; folds need two"):
        do(job, tmp_path / "run")
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_more_folds_than_any_hospital_has_patients_are_refused(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan_file = make_plan(federation={"rounds": 1})
    job = Job(plan_file, hospitals, baselines=False, further=Further(n_folds=500))

    with pytest.raises(ConfigError, match="no hospital has 500 patients"):
        do(job, tmp_path / "run")

    assert not (tmp_path / "run" / "folds").exists()


def test_the_mean_of_folds_is_drawn_by_patients() -> None:
    rng = np.random.default_rng(6)
    patient, noise = np.repeat(np.arange(30), 5), rng.normal(size=(2, 30, 1))
    folds, areas = [], []
    for own in noise:
        truth = patient % 2
        odds = truth + (own[:, 0])[patient] + rng.normal(size=150) / 4
        images = PatientImages(patient, truth[:, None], in_bins(odds)[:, None], truth[:, None])
        curves = (histogram(odds[truth == side])[None] for side in (1, 0))
        folds.append(ScoreCounts(150, 0.0, np.zeros((2, 2), np.int64), *curves, images))
        areas.append(_areas_of_drawn_patients(odds.reshape(30, 5), rng))
    expected = np.percentile(np.mean(areas, axis=0), [2.5, 97.5])

    by_patient = mean_auc(folds, Estimate(0.8))
    by_image = mean_auc([replace(one, clusters=None) for one in folds], Estimate(0.8))

    assert (by_patient.low, by_patient.high) == pytest.approx(tuple(expected), abs=0.04)
    assert (by_patient.low or 1) < (by_image.low or 0) - 0.03


def _areas_of_drawn_patients(odds: np.ndarray, rng: np.random.Generator) -> list[float]:
    from sklearn.metrics import roc_auc_score  # a second to import

    who = [rng.integers(0, 30, 30) for _ in range(300)]
    return [roc_auc_score(np.repeat(i % 2, 5), odds[i].ravel()) for i in who]


def test_the_interval_of_the_mean_holds_it_and_narrows_with_the_images() -> None:
    rng = np.random.default_rng(0)

    def fold(n: int, apart: float) -> ScoreCounts:
        positive, negative = rng.normal(apart, 1, n), rng.normal(0, 1, n)
        counts = histogram(positive)[None], histogram(negative)[None]
        return ScoreCounts(2 * n, 0.0, np.zeros((2, 2), np.int64), *counts)

    def width(estimate: Estimate) -> float:
        return (estimate.high or 0) - (estimate.low or 0)

    few = mean_auc([fold(20, 1.0) for _ in range(3)], Estimate(None))
    many = mean_auc([fold(2000, 1.0) for _ in range(3)], Estimate(None))
    perfect = mean_auc([fold(10, 9.0)] * 2, Estimate(1.0, 0.83, 1.0, 40))

    assert width(few) > 5 * width(many) > 0
    assert (many.low or 1) < 0.7602 < (many.high or 0)  # the normal distribution's, 1 apart
    assert (perfect.value, perfect.low, perfect.high) == (1.0, 0.83, 1.0)
