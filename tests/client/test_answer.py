"""The firewall, the ledger and the kept reply of one site, on real files."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from flwr.app import RecordDict

from medfl_client import ledger
from medfl_client.answer import answer
from medfl_client.site import Site, open_site
from medfl_client.site_file import load_site_file
from medfl_client.workbench import Workbench
from medfl_common.models import build_model
from medfl_common.params import shared_weights
from medfl_common.plan import Plan
from medfl_common.records import TrainTask, encode_task


def ask(plan: Plan, round_: int = 1, nonce: int = 5) -> RecordDict:
    weights = shared_weights(build_model(plan))
    return encode_task(TrainTask("train", "cd" * 16, round_, nonce, "site-1", plan, weights))


@pytest.fixture
def site(hospitals: Path) -> Site:
    folder = hospitals / "site-1"
    return open_site(folder, load_site_file(folder))


def test_no_word_of_an_exception_leaves_and_all_of_it_is_kept_here(
    site: Site, plan: Plan, hospitals: Path
) -> None:
    secret = "DOE^JOHN /data/DOE_JOHN_MRN123/scan.dcm"

    def fail(plan: Plan, name: str) -> None:
        raise ValueError(secret)

    broken = Site(site.name, site.policy, site.device, fail, site.state)  # type: ignore[arg-type]
    said: list[str] = []

    reply = answer(ask(plan), broken, Workbench(), said.append)

    numbers = reply.metric_records["numbers"]
    assert numbers["code"] == 900
    assert set(reply) == {"numbers"}
    assert all(isinstance(value, int | float) for value in numbers.values())
    incidents = (hospitals / "site-1" / "state" / "incidents.jsonl").read_text()
    assert secret in incidents
    assert str(numbers["incident"]) in incidents
    assert secret in said[0]


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

    reply = answer(content, site, Workbench(), lambda line: None)

    assert reply.metric_records["numbers"]["code"] in (500, 900)
    assert "update" not in reply


def test_asked_again_a_site_sends_the_same_bytes_and_trains_nothing(site: Site, plan: Plan) -> None:
    said: list[str] = []
    first = answer(ask(plan), site, Workbench(), said.append)

    again = answer(ask(plan), site, Workbench(), said.append)
    other = answer(ask(plan, nonce=6), site, Workbench(), said.append)

    assert again.object_id == first.object_id
    assert other.object_id != first.object_id
    assert "answered before" in said[1]
    assert "trained on" in said[2]


def test_a_kept_reply_is_not_sent_again_under_a_stricter_policy(site: Site, plan: Plan) -> None:
    first = answer(ask(plan), site, Workbench(), lambda line: None)
    stricter = replace(site, policy=site.policy.model_copy(update={"min_cell": 1000}))

    again = answer(ask(plan), stricter, Workbench(), lambda line: None)

    assert "n_scored" in first.metric_records["numbers"]
    assert "n_scored" not in again.metric_records["numbers"]
    assert again.array_records["update"]["flat"].data == first.array_records["update"]["flat"].data


def test_the_ledger_names_all_that_left_and_shows_a_changed_line(
    site: Site, plan: Plan, hospitals: Path
) -> None:
    path = hospitals / "site-1" / "state" / "ledger.jsonl"
    bench = Workbench()
    for round_ in (1, 2, 3):
        answer(ask(plan, round_), site, bench, lambda line: None)

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
    assert ledger.first_broken_line(path) == 3
    path.write_text(lines[0] + "\n" + lines[2] + "\n")
    assert ledger.first_broken_line(path) == 2


def test_a_site_below_its_own_minimum_sends_a_code_and_no_update(site: Site, plan: Plan) -> None:
    strict = Site(
        site.name, site.policy.model_copy(update={"min_images": 1000}), site.device, site.data, None
    )

    reply = answer(ask(plan), strict, Workbench(), lambda line: None)

    assert reply.metric_records["numbers"]["code"] == 400
    assert set(reply) == {"numbers"}


def test_threads_are_one_for_a_deterministic_plan(site: Site, plan: Plan) -> None:
    torch.set_num_threads(2)

    answer(ask(plan), site, Workbench(), lambda line: None)

    assert torch.get_num_threads() == 1
