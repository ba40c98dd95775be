"""A study with noise over real hospitals: the simulation's bits, through a kill, charged once."""

from pathlib import Path

import pytest
import yaml
from tests.system.through_a_kill import (
    assert_simulations_bits,
    log,
    renamed_copy,
    run_through_a_kill,
)

from medfl_client.egress.privacy_ledger import read
from medfl_common.plan.plan import load_plan
from medfl_sim.data.phantoms import KINDS
from medfl_sim.local.deployment import Deployment

pytestmark = [pytest.mark.processes, pytest.mark.slow]

BUDGET = 60.0
PLAN = """\
plan: 1
study: noisy
seed: 3
task: {type: binary, classes: [normal, opacity]}
images: {modality: [DX, CR], size: 32}
model: {name: small_cnn, norm: group}
training: {lr: 0.1, momentum: 0, batch_size: 16}
federation: {rounds: 3, min_sites: 3, deadline_s: 120}
evaluation: {validation: 0.3, test: 0.2, keep: last}
privacy:
  noise:
    {epsilon: 40, delta: 0.001, draw: 6, steps: 2, multiplier: 1.2, least_patients: 12, scores: 8}
"""


def set_budget(site: Path) -> None:
    values = yaml.safe_load((site / "site.yaml").read_text())
    values["policy"] = {"min_images": 1, "min_cell": 1, "budget": {"epsilon": BUDGET}}
    (site / "site.yaml").write_text(yaml.safe_dump(values, allow_unicode=True))


def test_noisy_hospitals_give_the_simulations_bits_and_each_answer_is_charged_once(
    deployment: Deployment, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN)
    sites = KINDS.get("chest")(tmp_path / "hospitals", 3, 80, 1)
    for site in sites:
        set_budget(site)
    small = renamed_copy(sites[0], tmp_path / "small")
    lines = (small / "labels.csv").read_text().splitlines(keepends=True)
    (small / "labels.csv").write_text("".join(lines[:9]))

    run_through_a_kill(deployment, plan, sites, small)

    assert_simulations_bits(deployment, plan, tmp_path / "hospitals", sites)
    asked = [("train", 1), ("train", 2), ("train", 3), ("evaluate", 3), ("test", 3)]
    for site in sites:
        account = read(site / "state")
        charges = [line for same in account.questions.values() for line in same]
        assert sorted((line["kind"], line["round"]) for line in charges) == sorted(asked)
        assert account.budget is not None
        assert account.budget.share(account.spent) < load_plan(plan).privacy.noise.epsilon  # type: ignore[union-attr]
    assert not read(small / "state").questions
    for line in log(deployment.study, "round"):
        assert "small" not in line["sites"]  # type: ignore[operator]
