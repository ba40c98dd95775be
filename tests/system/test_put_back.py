"""A coordinator is killed and put back from a copy one round old: no hospital refuses it."""

import json
import shutil
from pathlib import Path

import pytest
from tests.conftest import MakePlan
from tests.system.test_faults import ANSWER_S, SITES, log, undisturbed

from medfl_sim.local.deployment import Deployment, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.slow]


def test_a_coordinator_put_back_by_a_round_is_refused_nothing_and_ends_with_the_same_bits(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(
        federation={"rounds": 4, "statistics": True, "deadline_s": 600}, training={"epochs": 4}
    )
    expected = undisturbed(tmp_path / "simulated", plan, hospitals)
    sites = {name: hospitals / name for name in SITES}
    deployment.create(plan, sites)
    server, copy = deployment.start_server(), tmp_path / "copy"
    for path in sites.values():
        deployment.start_client(path)

    def n_rounds() -> int:
        return len(log(deployment, "round"))

    wait_until(lambda: n_rounds() >= 1, 4 * ANSWER_S, "a round")
    shutil.copytree(deployment.study, copy, ignore=shutil.ignore_patterns("*.partial", ".flwr"))
    n_copied = sum(
        '"event": "round"' in line for line in (copy / "log.jsonl").read_text().splitlines()
    )
    wait_until(lambda: n_rounds() > n_copied, 2 * ANSWER_S, "the round after the copy")
    server.kill()
    server.wait()
    shutil.rmtree(deployment.study)
    shutil.move(copy, deployment.study)
    server = deployment.start_server()

    assert server.wait(4 * ANSWER_S) == 0, (deployment.folder / "server.log").read_text()
    (finished,) = log(deployment, "finished")
    assert finished["sha256"] == expected
    for path in sites.values():
        lines = (path / "state" / "ledger.jsonl").read_text().splitlines()
        assert {json.loads(line)["decision"] for line in lines} == {"released"}
        text = (path / "state" / "questions.jsonl").read_text()
        book = [json.loads(line) for line in text.splitlines()]
        asked = [(line["kind"], line["round"], line["weights"]) for line in book]
        assert len(asked) == len({*asked})  # every question was the same, and free
        assert len([kind for kind, *_ in asked if kind == "train"]) == 4
