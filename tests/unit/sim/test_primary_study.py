"""A simulation decides a primary aim that compares with models only it can train."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import MakePlan

from medfl_common.errors import ConfigError
from medfl_common.plan.plan import Plan
from medfl_common.run.compared import Compared
from medfl_common.run.events import Event
from medfl_common.run.model_file import load_model
from medfl_server.reports.primary import verdict
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.runs.baselines import alone_folder
from medfl_sim.runs.compare import read_comparison
from medfl_sim.runs.job import Job, do
from medfl_sim.runs.primary import compare_primary

AIM = {"metric": "auc", "against": "pooled"}


def with_aim(plan: Plan, **aim: object) -> Plan:
    values = plan.model_dump(mode="json")
    values["evaluation"]["primary"] = {**AIM, **aim}
    return Plan.model_validate(values)


@pytest.mark.slow
def test_the_aim_has_the_comparisons_numbers_and_scikit_learns(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    from sklearn.metrics import roc_auc_score  # a second to import

    plan_file = make_plan(
        federation={"rounds": 1}, evaluation={"test": 0.5, "validation": 0.2, "primary": AIM}
    )
    said: list[str] = []
    job = Job(plan_file, hospitals)

    study = do(job, tmp_path / "run", said.append)
    do(job, tmp_path / "run")

    (pooled,) = study.log.read(Compared)
    row = read_comparison(study.folder)[-1]
    assert row.part == "test"
    assert pooled.values == (row.auc["federated"], row.auc["pooled"])
    assert pooled.interval == (row.to_pooled.low, row.to_pooled.high)
    sentence = verdict(study.log.read(Event), study.plan).sentence
    assert sentence in study.files.report.read_text()
    assert said[-1] == sentence

    sites = virtual_sites(hospitals, study.plan)
    other = replace(study, plan=with_aim(study.plan, against="best_single"))
    single = compare_primary(other, sites)
    assert single is not None
    assert single.name in sites
    assert single.values is not None
    _, model, _ = load_model(alone_folder(study, single.name))
    data = [site.data(study.plan).test for site in sites.values()]
    pairs = [pair for one in data for pair in one.batches(torch.arange(len(one)), 8)]
    with torch.no_grad():
        odds = np.concatenate([model(pixels).numpy()[:, 0] for pixels, _ in pairs])
    truth = np.concatenate([targets.numpy()[:, 0] for _, targets in pairs])
    assert single.values[1] == pytest.approx(roc_auc_score(truth, odds), abs=0.02)  # by bins

    outside = compare_primary(replace(study, plan=with_aim(study.plan, part="outside")), sites)
    assert outside is not None
    assert outside.values is None  # no hospital only scores


def test_an_aim_without_its_models_is_refused_before_anything_is_trained(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan_file = make_plan(evaluation={"primary": AIM})

    with pytest.raises(ConfigError, match="against: pooled asks for models that are baselines"):
        do(Job(plan_file, hospitals, baselines=False), tmp_path / "run")
    with pytest.raises(ConfigError, match="two hospitals or more that train; there is 1"):
        do(Job(plan_file, hospitals / "site-1"), tmp_path / "one")
