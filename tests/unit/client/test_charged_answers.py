"""A real hospital whose answers have noise: charged before, free again, the same bits."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from flwr.app import RecordDict
from tests.unit.client.spending import noisy_plan
from tests.unit.client.test_questions import Coordinator

from medfl_client.config.site_file import load_site_file
from medfl_client.egress import approvals, budget, ledger
from medfl_client.egress.privacy_ledger import read
from medfl_client.task.site import open_site
from medfl_common.privacy.accountant import epsilon_of, rdp_of_step

SMALL = {"draw": 6, "steps": 2, "multiplier": 4.0, "least_patients": 15, "epsilon": 20.0}


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
        epsilon_of(6 * rdp_of_step(6 / 15, 4.0), 1e-5)[0], abs=1e-9
    )


def test_other_weights_are_another_charge_until_the_budget_ends(hospitals: Path) -> None:
    ask = _coordinator(hospitals / "site-1", 9.0, multiplier=1.5)
    ask.site = replace(ask.site, policy=ask.site.policy.model_copy(update={"repeats": 50}))
    ask.ask("train", 1)
    codes = [ask.code("train", r, ask.moved(r + i / 100)) for i in range(5) for r in (2, 3)]

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
