"""A study with noise from its plan to its report, in simulation and as a hospital answers it."""

from pathlib import Path

import numpy as np
import pytest
from flwr.app import RecordDict
from tests.conftest import MakePlan
from tests.noisy import noisy
from tests.unit.sim.test_simulation import final_digest, run, stop_after

from medfl_client.config.folder import StateFolder
from medfl_client.config.secret_keys import noise_secret
from medfl_client.config.site_file import load_site_file
from medfl_client.egress import approvals
from medfl_client.egress.privacy_ledger import read
from medfl_client.task.handler import handle_task
from medfl_client.task.session import Session
from medfl_client.task.site import open_site
from medfl_common.models import build_model
from medfl_common.models.weights import shared_weights
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.wire.tasks import Kind, TrainTask, encode_task
from medfl_server.reports.report import write_report
from medfl_server.study.run_directory import create_study, open_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study


def ask(plan: Plan, kind: Kind = "train", round_: int = 1) -> RecordDict:
    weights = shared_weights(build_model(plan))
    return encode_task(TrainTask(kind, "cd" * 16, round_, 5, "site-1", plan, weights))


@pytest.fixture(autouse=True)
def divided_alike(hospitals: Path) -> None:
    """Write the key from which follows who is trained on: enough are, also one who comes."""
    for site in hospitals.glob("site-*"):
        state = StateFolder(site / "state")
        state.path.mkdir(exist_ok=True)
        state.patients_key.write_text("02" * 32)


@pytest.mark.parametrize("model", [{}, {"freeze": "all"}], ids=["whole", "head"])
def test_a_study_with_noise_runs_to_its_report(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path, model: dict[str, object]
) -> None:
    study = run(tmp_path / "s", make_plan(model=model, **noisy()), hospitals)

    page = write_report(study).read_text()
    for event in study.log.lines("round"):
        for reply in event["sites"].values():
            assert (reply["n_images"], reply["n_steps"], reply["train_loss"]) == (8, 3, 0.0)
            assert reply["seconds"] % 10 == 0
            assert "n_scored" not in reply
    (tested,) = study.log.lines("tested")
    assert any("n_scored" in reply for reply in tested["sites"].values())
    assert "loss in local training" not in page


def test_a_noisy_study_that_was_stopped_ends_with_the_same_bits(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(**noisy())
    whole = run(tmp_path / "whole", plan, hospitals)
    broken = create_study(tmp_path / "broken", plan)
    sites = virtual_sites(hospitals, broken.plan)
    with pytest.raises(KeyboardInterrupt):
        run_study(broken, sites, stop_after(2, []))

    again = open_study(tmp_path / "broken")
    run_study(again, sites)

    assert final_digest(again) == final_digest(whole)


def test_a_hospital_answers_to_the_bit_what_a_simulation_over_its_folder_does(
    hospitals: Path, make_plan: MakePlan
) -> None:
    plan, folder = load_plan(make_plan(**noisy())), hospitals / "site-1"
    noise_secret(folder / "state")
    site = open_site(folder, load_site_file(folder))
    approvals.approve(folder / "state", plan)
    said: list[str] = []

    real = handle_task(ask(plan), site, Session(), said.append)

    virtual = virtual_sites(hospitals, plan)["site-1"]
    simulated = handle_task(ask(plan), virtual, Session(), said.append)
    pairs = [(real[name], simulated[name]) for name in ("update",)]
    for own, other in pairs:
        assert {n: a.data for n, a in own.items()} == {n: a.data for n, a in other.items()}
    assert any("trained with noise" in line for line in said)


def test_an_answer_is_charged_once_and_its_repetition_is_free(
    hospitals: Path, make_plan: MakePlan
) -> None:
    plan, folder = load_plan(make_plan(**noisy())), hospitals / "site-1"
    site = open_site(folder, load_site_file(folder))
    approvals.approve(folder / "state", plan)

    first = handle_task(ask(plan), site, Session(), print)
    for reply in StateFolder(folder / "state").replies.glob("*"):
        reply.unlink()  # the kept reply is lost: it is made again
    again = handle_task(ask(plan), site, Session(), print)

    assert len(read(folder / "state").questions) == 1
    own = [{n: a.data for n, a in one["update"].items()} for one in (first, again)]
    assert own[0] == own[1]
    assert np.sum([len(data) for data in own[0].values()]) > 0


def test_a_site_with_too_few_patients_says_a_code_and_nothing_else(
    hospitals: Path, make_plan: MakePlan
) -> None:
    plan, folder = load_plan(make_plan(**noisy(least_patients=500))), hospitals / "site-1"
    site = open_site(folder, load_site_file(folder))
    approvals.approve(folder / "state", plan)
    said: list[str] = []

    reply = handle_task(ask(plan), site, Session(), said.append)

    assert reply.metric_records["numbers"]["code"] != 0
    assert "update" not in reply
    assert "the plan's noise is computed for 500" in said[0]
    assert not read(folder / "state").questions


def test_a_patient_more_is_another_question_and_no_reason_to_refuse(
    hospitals: Path, make_plan: MakePlan
) -> None:
    plan, folder = load_plan(make_plan(**noisy())), hospitals / "site-1"
    approvals.approve(folder / "state", plan)
    whole = folder / "labels.csv"
    lines = whole.read_text().splitlines(keepends=True)
    replies = []
    for n_lacking in (2, 0):
        whole.write_text("".join(lines[: len(lines) - n_lacking]))
        site = open_site(folder, load_site_file(folder))
        for kept in StateFolder(folder / "state").replies.glob("*"):
            kept.unlink()
        replies.append(handle_task(ask(plan), site, Session(), print))

    assert [reply.metric_records["numbers"]["code"] for reply in replies] == [0, 0]
    assert len(read(folder / "state").questions) == 2
