"""A real hospital whose answers have noise: charged before, free again, the same bits."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from flwr.app import RecordDict
from tests.conftest import ROOT
from tests.unit.client.spending import noisy_plan
from tests.unit.client.test_questions import Coordinator

from medfl_client.config.site_file import load_site_file
from medfl_client.egress import approvals, budget, ledger
from medfl_client.egress.privacy_ledger import read
from medfl_client.task.site import open_site
from medfl_common.privacy.accountant import epsilon_of, rdp_of_step

SMALL = {"draw": 4, "steps": 2, "multiplier": 4.0, "least_patients": 8, "epsilon": 20.0}


@pytest.fixture
def ask(hospitals: Path) -> Coordinator:
    return _coordinator(hospitals / "site-1", 8.0)


def _coordinator(folder: Path, epsilon: float, multiplier: float = 4.0) -> Coordinator:
    values = yaml.safe_load((folder / "site.yaml").read_text())
    values["policy"]["budget"] = {"epsilon": epsilon, "delta": 1e-5}
    (folder / "site.yaml").write_text(yaml.safe_dump(values))
    site, plan = (
        open_site(folder, load_site_file(folder)),
        noisy_plan(rounds=3, **SMALL | {"multiplier": multiplier}),
    )
    budget.reserve(folder / "state", plan, site.policy)
    approvals.approve(folder / "state", plan)
    return Coordinator(site, plan)


def n_charges(ask: Coordinator) -> int:
    assert ask.site.state is not None
    return sum(costs.n_charges for costs in read(ask.site.state).plans.values())


def bits(reply: RecordDict) -> bytes:
    return reply.array_records["update"]["flat"].data


def test_each_round_is_charged_once_and_its_receipt_names_the_charge(ask: Coordinator) -> None:
    first = ask.ask("train", 1)
    rounds = [ask.code("train", r, ask.moved(r - 1)) for r in (2, 3)]
    again = ask.ask("train", 1, nonce=8)
    scored = [ask.code("evaluate", 3, ask.moved(3)) for _ in range(2)]

    assert (rounds, scored) == ([0, 0], [0, 0]), ask.said
    assert bits(again) == bits(first)
    assert n_charges(ask) == 4
    state = ask.site.state
    assert state is not None
    lines = ledger.read_lines(state / "privacy.jsonl")
    charges = [line for line in lines if line["what"] == "charge"]
    assert [line["set"] for line in charges] == ["trained"] * 3 + ["held out"]
    assert all(line["reserved"] for line in charges)
    newest = ledger.read_lines(state / "ledger.jsonl")[-1]
    assert newest["privacy"] == {"line": lines[-1]["line"], "hash": lines[-1]["hash"]}
    trained = read(state).sum_of("trained")
    assert epsilon_of(trained, 1e-5)[0] == pytest.approx(
        epsilon_of(6 * rdp_of_step(4 / 8, 4.0), 1e-5)[0], abs=1e-9
    )


def test_other_weights_are_another_charge_until_the_budget_ends(hospitals: Path) -> None:
    ask = _coordinator(hospitals / "site-1", 9.0, multiplier=1.2)
    ask.site = replace(ask.site, policy=ask.site.policy.model_copy(update={"repeats": 50}))
    ask.ask("train", 1)
    codes = [ask.code("train", r, ask.moved(r + i / 100)) for i in range(5) for r in (2, 3)]

    assert 450 in codes, (codes, ask.said[-1])
    n = codes.index(450)
    assert n >= 2
    assert {*codes[n:]} == {450}
    assert n_charges(ask) == 1 + n
    assert "of the privacy budget 9 (delta 1e-05)" in " ".join(ask.said)
    assert ask.code("train", 1, nonce=9) == 0  # charged before


def test_with_another_noise_key_the_same_question_is_a_new_answer_and_charged(
    ask: Coordinator,
) -> None:
    first = ask.ask("train", 1)
    state = ask.site.state
    assert state is not None
    (state / "noise.key").unlink()
    assert (state / "replies").exists(), ask.said
    shutil.rmtree(state / "replies")

    again = ask.ask("train", 1, nonce=8)

    assert bits(again) != bits(first)
    assert n_charges(ask) == 2


def test_a_ledger_that_was_put_back_answers_no_question_at_all(ask: Coordinator) -> None:
    state = ask.site.state
    assert state is not None
    kept = {name: (state / name).read_bytes() for name in ("privacy.jsonl", "privacy.head")}
    assert ask.code("train", 1) == 0, ask.said
    for name, data in kept.items():
        (state / name).write_bytes(data)

    assert ask.code("train", 2, ask.moved(1)) == 600
    assert (state / "privacy.jsonl").read_bytes() == kept["privacy.jsonl"]


@pytest.mark.parametrize("n_kills", [2, pytest.param(100, marks=pytest.mark.slow)])
def test_a_hospital_that_is_killed_at_any_moment_has_the_bits_and_the_cost_of_one_that_was_not(
    n_kills: int, hospitals: Path
) -> None:
    site = hospitals / "site-1"
    command = [sys.executable, "-m", "tests.unit.client.killed_hospital"]
    done = subprocess.run(
        [*command, str(site), str(n_kills), "7"], cwd=ROOT, check=True, capture_output=True,
        text=True, env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["kills"] >= n_kills

    answers = [json.loads((Path(folder) / "answers.json").read_text())
               for folder in (told["whole"], *told["killed"])]  # fmt: skip
    assert len({*answers[0]}) == 10
    assert all(one == answers[0] for one in answers)
    for folder in (told["whole"], *told["killed"]):
        account = read(Path(folder) / "state")
        assert sum(costs.n_charges for costs in account.plans.values()) == 10
        assert account.epsilon(1e-5) == pytest.approx(
            epsilon_of(20 * rdp_of_step(4 / 8, 4.0), 1e-5)[0], abs=1e-9
        )
