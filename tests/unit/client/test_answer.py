"""The firewall, the ledger and the kept reply of one site, on real files."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from flwr.app import RecordDict
from tests.conftest import MakePlan

from medfl_client.config.site_file import load_site_file
from medfl_client.data.dataset import SiteData
from medfl_client.egress import approvals, ledger
from medfl_client.task.handler import handle_task
from medfl_client.task.session import Session
from medfl_client.task.site import Site, open_site
from medfl_common.errors import RunError
from medfl_common.models import build_model
from medfl_common.models.weights import shared_weights
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.wire.digest import n_bytes
from medfl_common.wire.tasks import TrainTask, encode_task


def ask(plan: Plan, round_: int = 1, nonce: int = 5) -> RecordDict:
    weights = shared_weights(build_model(plan))
    return encode_task(TrainTask("train", "cd" * 16, round_, nonce, "site-1", plan, weights))


@pytest.fixture
def site(hospitals: Path, plan: Plan) -> Site:
    folder = hospitals / "site-1"
    site = open_site(folder, load_site_file(folder))
    approvals.approve(folder / "state", plan)
    return site


def test_no_word_of_an_exception_leaves_and_all_of_it_is_kept_here(
    site: Site, plan: Plan, hospitals: Path
) -> None:
    secret = "DOE^JOHN /data/DOE_JOHN_MRN123/scan.dcm"

    def fail(plan: Plan) -> None:
        raise ValueError(secret)

    broken = Site(site.name, site.policy, site.device, fail, site.state)  # type: ignore[arg-type]
    said: list[str] = []

    reply = handle_task(ask(plan), broken, Session(), said.append)

    numbers = reply.metric_records["numbers"]
    assert numbers["code"] == 900
    assert set(reply) == {"numbers"}
    assert all(isinstance(value, int | float) for value in numbers.values())
    incidents = (hospitals / "site-1" / "state" / "incidents.jsonl").read_text()
    assert secret in incidents
    assert str(numbers["incident"]) in incidents
    assert "something unforeseen happened, see state/incidents.jsonl" in said[0]
    assert secret not in said[0]


@pytest.mark.parametrize("damage", ["no task", "no weights", "other weights", "a path as run"])
def test_a_task_that_cannot_be_read_gives_a_code(damage: str, site: Site, plan: Plan) -> None:
    content = ask(plan)
    if damage == "no task":
        content = RecordDict()
    elif damage == "no weights":
        del content["weights"]
    elif damage == "other weights":
        content["weights"] = RecordDict(ask(plan)).array_records["weights"].__class__({})
    else:
        content.config_records["task"]["run"] = "../../etc"

    reply = handle_task(content, site, Session(), lambda line: None)

    assert reply.metric_records["numbers"]["code"] in (500, 900)
    assert "update" not in reply


def test_asked_again_a_site_sends_the_same_bytes_and_trains_nothing(site: Site, plan: Plan) -> None:
    said: list[str] = []
    first = handle_task(ask(plan), site, Session(), said.append)

    again = handle_task(ask(plan), site, Session(), said.append)
    other = handle_task(ask(plan, nonce=6), site, Session(), said.append)

    assert again.object_id == first.object_id
    assert other.object_id != first.object_id
    assert "answered before" in said[-3]
    assert "trained on" in said[-1]


def test_a_kept_reply_is_not_sent_again_under_a_stricter_policy(site: Site, plan: Plan) -> None:
    first = handle_task(ask(plan), site, Session(), lambda line: None)
    stricter = replace(site, policy=site.policy.model_copy(update={"min_cell": 1000}))

    again = handle_task(ask(plan), stricter, Session(), lambda line: None)

    assert "n_scored" in first.metric_records["numbers"]
    assert "n_scored" not in again.metric_records["numbers"]
    assert again.array_records["update"]["flat"].data == first.array_records["update"]["flat"].data


def test_the_ledger_names_all_that_left_and_shows_a_changed_line(
    site: Site, plan: Plan, hospitals: Path
) -> None:
    path = hospitals / "site-1" / "state" / "ledger.jsonl"
    session = Session()
    for round_ in (1, 2, 3):
        handle_task(ask(plan, round_), site, session, lambda line: None)

    lines = path.read_text().splitlines()
    entries = [json.loads(line) for line in lines]

    assert [entry["round"] for entry in entries] == [1, 2, 3]
    names = list(shared_weights(build_model(plan)))
    assert set(entries[0]["arrays"]) == set(names)
    assert entries[0]["bytes"] > 4 * sum(
        t.numel() for t in shared_weights(build_model(plan)).values()
    )
    assert ledger.first_broken_line(path) is None
    path.write_text(
        "\n".join([lines[0], lines[1].replace('"round": 2', '"round": 9'), lines[2]]) + "\n"
    )
    assert ledger.first_broken_line(path) == (2, "it was changed")
    path.write_text(lines[0] + "\n" + lines[2] + "\n")
    assert ledger.first_broken_line(path) == (2, "a line was removed or moved: line 3 stands here")


def test_a_plan_that_is_not_approved_is_refused_and_nothing_is_read(
    site: Site, make_plan: MakePlan, hospitals: Path
) -> None:
    state, said = hospitals / "site-1" / "state", list[str]()
    other = load_plan(make_plan(training={"lr": 0.02}))

    codes = [
        handle_task(ask(other), site, session, said.append).metric_records["numbers"]["code"]
        for session in [Session()] * 2
    ]

    assert codes == [410, 410]
    assert not (state / "index.sqlite").exists()
    assert not (state / "cache").exists()
    assert len(said) == 1  # asked every few seconds, a person reads it once
    assert "was changed since it was approved (policy P1, approval); no data was read" in said[0]
    (path,) = approvals.proposed(state)
    assert f"medfl-client approve {state.parent} {path}" in said[0]
    assert load_plan(path).hash() == other.hash()
    (line, _) = ledger.read_lines(state / "ledger.jsonl")
    assert (line["decision"], line["plan"]) == ("refused: P1", other.hash())


def test_without_the_rule_a_plan_needs_no_approval_but_a_withdrawal_counts(
    site: Site, make_plan: MakePlan
) -> None:
    other = load_plan(make_plan(training={"lr": 0.02}))
    lenient = replace(site, policy=site.policy.model_copy(update={"approval": "none"}))
    assert site.state is not None

    first = handle_task(ask(other), lenient, Session(), lambda line: None)
    approvals.write_record(site.state, "withdraw", other.hash(), other.study, other.canonical())
    again = handle_task(ask(other), lenient, Session(), lambda line: None)

    assert first.metric_records["numbers"]["code"] == 0
    assert again.metric_records["numbers"]["code"] == 420
    assert set(again) == {"numbers"}  # the kept reply stays


def test_a_withdrawal_during_the_work_keeps_its_result_back(site: Site, plan: Plan) -> None:
    state = site.state
    assert state is not None

    def withdraw_then_read(asked: Plan) -> SiteData:
        approvals.write_record(state, "withdraw", plan.hash(), plan.study, plan.canonical())
        return site.data(asked)

    reply = handle_task(
        ask(plan), replace(site, data=withdraw_then_read), Session(), lambda line: None
    )

    assert reply.metric_records["numbers"]["code"] == 420
    assert [entry["decision"] for entry in ledger.read_lines(state / "ledger.jsonl")] == [
        "refused: withdrawn"
    ]
    assert not (state / "replies").exists()


def test_what_left_within_a_day_counts_and_nothing_more_leaves(site: Site, plan: Plan) -> None:
    assert site.state is not None
    size = n_bytes(handle_task(ask(plan), site, Session(), lambda line: None)) / 1e6
    limited = replace(site, policy=site.policy.model_copy(update={"max_mb_a_day": 2.5 * size}))

    codes = [
        handle_task(ask(plan, 2, nonce), limited, Session(), lambda line: None)
        .metric_records["numbers"]["code"]
        for nonce in (7, 8, 7)
    ]  # fmt: skip

    assert codes == [0, 400, 400]
    decisions = [entry["decision"] for entry in ledger.read_lines(site.state / "ledger.jsonl")]
    assert decisions == ["released", "released", "refused: P10", "refused: P10"]


def test_a_ledger_that_was_cut_lets_nothing_leave(site: Site, plan: Plan) -> None:
    assert site.state is not None
    path, said = site.state / "ledger.jsonl", list[str]()
    for round_ in (1, 2):
        handle_task(ask(plan, round_), site, Session(), said.append)
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])

    with pytest.raises(RunError):  # Flower's executor makes a bare code of it
        handle_task(ask(plan, 3), site, Session(), said.append)

    assert "does not end with the line that was written last" in said[-1]


def test_a_site_below_its_own_minimum_sends_a_code_and_no_update(site: Site, plan: Plan) -> None:
    strict = Site(
        site.name, site.policy.model_copy(update={"min_images": 1000}), site.device, site.data, None
    )

    reply = handle_task(ask(plan), strict, Session(), lambda line: None)

    assert reply.metric_records["numbers"]["code"] == 400
    assert set(reply) == {"numbers"}


def test_threads_are_one_for_a_deterministic_plan(site: Site, plan: Plan) -> None:
    torch.set_num_threads(2)

    handle_task(ask(plan), site, Session(), lambda line: None)

    assert torch.get_num_threads() == 1
