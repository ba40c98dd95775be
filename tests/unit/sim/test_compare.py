"""Each hospital alone, all pooled, and the comparison with the federation."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import MakePlan
from tests.squares import squares

from medfl_client.data.dataset import ImageSet
from medfl_common.plan.plan import load_plan
from medfl_common.run.events import Finished, Started
from medfl_server.reports.scores import ALL as EVERY
from medfl_server.reports.scores import score_sites
from medfl_server.study.run_directory import Study, create_study, open_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study
from medfl_sim.runs.baselines import Joined, alone_folder, pooled_folder, pooled_site, run_baselines
from medfl_sim.runs.compare import (
    ALL,
    Difference,
    _areas,
    auc_row,
    compare,
    difference,
    read_comparison,
)
from medfl_sim.runs.compare_page import answer, write_comparison


def finished(folder: Path, plan_file: Path, hospitals: Path) -> Study:
    study = create_study(folder, plan_file)
    run_study(study, virtual_sites(hospitals, study.plan))
    return study


def digest(folder: Path) -> object:
    return open_study(folder).log.lines("finished")[-1]["sha256"]


@pytest.mark.slow
def test_a_federation_of_one_hospital_is_that_hospital_alone(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    one = finished(tmp_path / "one", make_plan(), hospitals / "site-2")
    federation = {"strategy": "ditto", "messages": {"update": "top_k", "weights": "bfloat16"}}
    plan = make_plan("all.yaml", federation=federation, training={"objective": "fedprox"})
    study = finished(tmp_path / "all", plan, hospitals)

    run_baselines(study, virtual_sites(hospitals, study.plan))

    assert digest(alone_folder(study, "site-2")) == digest(one.folder)
    assert digest(pooled_folder(study)) != digest(study.folder)


def test_the_pooled_model_sees_no_validation_patient(hospitals: Path, make_plan: MakePlan) -> None:
    plan = load_plan(make_plan())
    sites = virtual_sites(hospitals, plan)
    parts = {name: site.data(plan) for name, site in sites.items()}

    data = pooled_site(sites).data(plan)

    assert len(data.train) == sum(len(part.train) for part in parts.values())
    validation = {
        pixels.numpy().tobytes()
        for part in parts.values()
        for pixels, _ in part.validation.batches(torch.arange(len(part.validation)), 1)
    }
    trained = data.train.batches(torch.arange(len(data.train)), 1)
    assert not validation & {pixels.numpy().tobytes() for pixels, _ in trained}


def test_joined_sets_give_each_image_with_its_target() -> None:
    pixels = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    numbers = torch.arange(10.0)[:, None]
    sets = [ImageSet(pixels, np.array(r), numbers[r]) for r in ([7, 1], [4], [0, 9, 3])]
    joined = Joined(sets)

    seen, targets = joined.batch(torch.tensor([5, 0, 2, 3, 1]))

    assert targets[:, 0].tolist() == [3, 7, 4, 0, 1]
    grey = (seen[:, 0, 0, 0] * 0.25 + 0.5) * 255
    assert grey.round().tolist() == [3, 7, 4, 0, 1]


def test_joined_boxes_of_hospitals_with_more_and_fewer_are_padded_alike() -> None:
    many, few, none = squares(20, 48, 48, most=3), squares(4, 48, 48, most=1), squares(2, 48, 48)
    bare = replace(none, boxes=none.boxes[:, :0])

    _, boxes = Joined([few, bare, many]).batch(torch.tensor([11, 0, 4, 3, 6]))

    assert many.boxes.shape[1] > few.boxes.shape[1] > 0
    wanted = [many.boxes[5], few.boxes[0], bare.boxes[0], few.boxes[3], many.boxes[0]]
    for own, padded in zip(wanted, boxes, strict=True):
        assert torch.equal(padded[: len(own)].nan_to_num(-1), own.nan_to_num(-1))
        assert padded[len(own) :].isnan().all()


def test_areas_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    odds, targets = rng.normal(size=(2, 50, 3)).round(1), rng.integers(0, 2, (50, 3)) * 1.0
    targets[:7, 1] = np.nan

    found = _areas(odds, targets.astype(np.float32))

    for model, area in zip(odds, found, strict=True):
        known = [~np.isnan(targets[:, k]) for k in range(3)]
        one = [roc_auc_score(targets[known[k], k], model[known[k], k]) for k in range(3)]
        assert area == pytest.approx(np.mean(one))


def test_only_an_interval_beside_zero_is_called_help_or_harm() -> None:
    truth = np.array([[0.0], [1.0]] * 100, dtype=np.float32)
    noise = np.random.default_rng(1).normal(size=(200, 1))
    good, bad = truth * 3 + noise, noise

    assert auc_row("a", 1, np.stack([good, bad, good]), truth, "test").helped.verdict == "helped"
    assert auc_row("a", 1, np.stack([bad, good, good]), truth, "test").helped.verdict == "harmed"
    assert (
        auc_row("a", 1, np.stack([bad, bad, bad]), truth, "test").helped.verdict
        == "no clear difference"
    )
    assert auc_row(
        "a", 1, np.stack([good, bad, good])[:, ::2], truth[::2], "test"
    ).helped == Difference(None)


def test_a_difference_is_drawn_by_patients_and_two_patients_tell_none() -> None:
    rng = np.random.default_rng(4)
    patient = np.repeat(np.arange(40), 6)
    truth = (patient % 2).astype(np.float32)[:, None]
    own = rng.normal(size=(40, 1))[patient]
    one, other = truth + own + rng.normal(size=(240, 1)) / 4, truth + rng.normal(size=(240, 1))

    by_image = difference(one, other, truth)
    same = difference(one, other, truth, np.arange(240)[::-1].copy())
    by_patient = difference(one, other, truth, patient)
    of_two = difference(one, other, truth, patient % 2)

    assert same == by_image
    assert by_patient.value == by_image.value
    assert _width(by_patient) > 1.4 * _width(by_image)
    assert of_two == Difference(by_image.value)
    assert difference(one, other, truth, patient % 18) == of_two  # 9 patients of each class
    assert _width(difference(one, other, truth, patient % 20)) > 0
    assert of_two.verdict == "cannot be said"


def test_two_models_that_part_few_images_without_fault_are_not_said_to_be_equal() -> None:
    truth = np.array([[0.0], [0.0], [1.0], [1.0]], dtype=np.float32)
    one, other = truth * 2, truth * 3 + np.array([[0.1], [0.2], [0.3], [0.4]])

    assert difference(one, other, truth) == Difference(0.0)
    assert difference(one, one, truth) == Difference(0.0, 0.0, 0.0)


def _width(found: Difference) -> float:
    return (found.high or 0) - (found.low or 0)


def test_the_page_answers_from_the_table(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    study = finished(tmp_path / "s", make_plan(), hospitals)
    sites = virtual_sites(hospitals, study.plan)
    run_baselines(study, sites)

    rows = compare(study, sites)

    assert [row.name for row in rows] == ["site-1", "site-2", "site-3", ALL]
    assert read_comparison(study.folder) == rows
    scored = score_sites(study.log.read(Finished)[0])
    for row, name in zip(rows, [*study.log.read(Started)[0].roster, EVERY], strict=True):
        assert row.auc["federated"] == pytest.approx(scored[name].values["auc"])
    text = write_comparison(study, rows).read_text()
    assert "Did joining help?" in text
    assert answer(rows[:-1], rows[-1]).split(".")[0] in text


@pytest.mark.slow
def test_layers_that_stay_at_their_site_are_scored_there(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(model={"norm": "batch", "norm_layers": "local"})
    study = finished(tmp_path / "s", plan, hospitals)
    sites = virtual_sites(hospitals, study.plan)
    run_baselines(study, sites)

    rows = compare(study, sites)

    scored = score_sites(study.log.read(Finished)[0])
    for row in rows[:-1]:
        assert row.auc["federated"] == pytest.approx(scored[row.name].values["auc"])


def test_baselines_go_on_where_they_stopped(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    study = finished(tmp_path / "s", make_plan(), hospitals)
    sites = virtual_sites(hospitals, study.plan)

    def stop(plan: object) -> None:
        raise KeyboardInterrupt

    broken = {**sites, "site-3": replace(sites["site-3"], data=stop)}
    with pytest.raises(KeyboardInterrupt):
        run_baselines(study, broken)
    before = alone_folder(study, "site-1") / "log.jsonl"
    lines = before.read_text()

    run_baselines(study, sites)

    assert before.read_text() == lines
    assert open_study(pooled_folder(study)).log.lines("finished")
