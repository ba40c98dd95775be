"""A federation without each hospital, scored there."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import MakePlan

from medfl_common.errors import ConfigError
from medfl_common.plan.plan import load_plan
from medfl_common.run.events import Started
from medfl_common.run.model_file import load_model
from medfl_server.study.run_directory import open_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.scenario import Scenario
from medfl_sim.runs.further import Further
from medfl_sim.runs.job import Job, do

ASKED = Further(leave_one_out=True)


def by_hand(folder: Path, pixels: list[torch.Tensor]) -> np.ndarray:
    """Score images with a run's model, one by one."""
    _, model, _ = load_model(folder)
    with torch.no_grad():
        return np.concatenate([model(one).double().numpy()[:, 0] for one in pixels])


def images(*sets: object) -> tuple[list[torch.Tensor], np.ndarray]:
    """Give the images of some sets, and which of them are positive."""
    pairs = [p for s in sets for p in s.batches(torch.arange(len(s)), 1)]  # type: ignore[attr-defined]
    return [pixels for pixels, _ in pairs], np.concatenate([t.numpy()[:, 0] for _, t in pairs])


@pytest.mark.slow
@pytest.mark.parametrize("faults", [[], [{"kind": "label_noise", "probability": 1.0}]])
def test_a_hospital_is_scored_whole_by_a_federation_that_lacks_it(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path, faults: list[dict[str, object]]
) -> None:
    from sklearn.metrics import roc_auc_score  # a second to import

    plan_file = make_plan(
        federation={"rounds": 1, "min_sites": 3}, evaluation={"test": 0.5, "validation": 0.2}
    )
    scenario = Scenario.model_validate({"faults": faults})
    said: list[str] = []

    study = do(
        Job(plan_file, hospitals, scenario, baselines=False, further=ASKED),
        tmp_path / "run",
        said.append,
    )

    found = json.loads(study.files.left_out.read_text())
    assert found["part"] == "test"
    for row in found["hospitals"]:
        run = open_study(study.files.leave_one_out / row["name"])
        assert row["name"] not in run.log.read(Started)[0].roster
        assert run.plan.federation.min_sites == 2
        data = virtual_sites(hospitals, study.plan)[row["name"]].data(study.plan)
        pixels, truth = images(data.train, data.validation, data.test)
        assert row["outside"]["n"] == len(truth) == 40
        area = roc_auc_score(truth, by_hand(run.folder, pixels))
        assert row["outside"]["value"] == pytest.approx(area, abs=row["outside"]["bound"] + 1e-9)
        pixels, truth = images(data.test)
        for name, folder in (("outside_part", run.folder), ("whole_part", study.folder)):
            assert row[name]["n"] == len(truth)
            area = roc_auc_score(truth, by_hand(folder, pixels))
            assert row[name]["value"] == pytest.approx(area, abs=row[name]["bound"] + 1e-9)
    text = study.files.left_out_page.read_text()
    assert "so all of them are scored" in text
    assert any(line.startswith("At hospitals that took no part") for line in said)


def test_two_hospitals_are_needed_and_no_fault_names_the_one_that_is_left_out(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan_file = make_plan(federation={"rounds": 1})
    named: list[object] = [{"kind": "dropout", "probability": 0.0, "sites": ["site-2"]}]
    job = Job(plan_file, hospitals, Scenario.model_validate({"faults": named}), baselines=False,
              further=ASKED)  # fmt: skip

    study = do(job, tmp_path / "run")

    assert load_plan(study.files.without_plan) == study.plan
    before = (study.files.leave_one_out / "site-2" / "log.jsonl").read_text()
    do(job, tmp_path / "run")
    assert (study.files.leave_one_out / "site-2" / "log.jsonl").read_text() == before
    alone = Job(plan_file, hospitals / "site-1", baselines=False, further=ASKED)
    with pytest.raises(ConfigError, match="takes two hospitals or more; there is 1"):
        do(alone, tmp_path / "alone")


@pytest.mark.slow
def test_the_attack_on_a_hospital_is_scikit_learns_auc_of_its_images_gains(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    from sklearn.metrics import roc_auc_score

    scored = {"test": 0.3, "validation": 0.2, "keep": "last"}
    plan_file = make_plan(federation={"rounds": 2}, evaluation=scored)
    job = Job(plan_file, hospitals, Scenario(), baselines=False, further=ASKED)

    study = do(job, tmp_path / "run", print)

    row = json.loads(study.files.left_out.read_text())["hospitals"][0]
    virtual = virtual_sites(hospitals, study.plan)
    sites = {name: site.data(study.plan) for name, site in virtual.items()}
    own, truth = images(sites["site-1"].train)
    held = [part for n in ("site-2", "site-3") for part in (sites[n].validation, sites[n].test)]
    others, other_truth = images(*held)
    signs = 2 * np.concatenate([truth, other_truth]) - 1
    whole, without = (
        by_hand(folder, [*own, *others]) * signs
        for folder in (study.folder, study.files.leave_one_out / "site-1")
    )
    is_own = np.arange(len(signs)) < len(own)
    assert (row["inferred"]["n_trained"], row["inferred"]["n_held_out"]) == (len(own), len(others))
    assert row["inferred"]["auc"] == pytest.approx(roc_auc_score(is_own, whole - without), abs=2e-3)
    assert "Can a reader tell that a hospital took part?" in study.files.left_out_page.read_text()
