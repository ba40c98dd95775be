"""A hospital that needs five times the deadline, as real processes; its client stands still."""

import json
import math
import signal
import time
from pathlib import Path

import pytest
from tests.conftest import MakePlan

from medfl_common.run.log import Line, read_lines
from medfl_sim.local.deployment import Deployment, Process, run_here, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.slow]

SITES = ("site-1", "site-2")
DEADLINE_S = 10.0
STILL_S = 50.0  # less than the 60 s after which a SuperNode gives a task up
ANSWER_S = 300.0


def log(deployment: Deployment, kind: str) -> list[Line]:
    events = read_lines(deployment.study / "log.jsonl") if deployment.study.exists() else []
    return [event for event in events if event["event"] == kind]


def start(deployment: Deployment, hospitals: Path, plan: Path) -> Process:
    """Start a study of two hospitals; give the client of the second, once it has answered."""
    deployment.create(plan, {name: hospitals / name for name in SITES})
    deployment.start_server()
    deployment.start_client(hospitals / "site-1")
    client = deployment.start_client(hospitals / "site-2")
    wait_until(lambda: n_rounds_with(deployment, "site-2") >= 6, ANSWER_S, "rounds with site-2")
    return client


def n_rounds_with(deployment: Deployment, site: str) -> int:
    return sum(site in event["sites"] for event in log(deployment, "round"))  # type: ignore[operator]


def late_replies(deployment: Deployment) -> list[Line]:
    """List those that came late because the client stood still, not for a slow machine."""
    late = log(deployment, "late_reply")
    return [event for event in late if float(str(event["seconds"])) >= STILL_S - 5]


def stand_still(client: Process) -> None:
    client.send_signal(signal.SIGSTOP)
    time.sleep(STILL_S)
    client.send_signal(signal.SIGCONT)


def be_late_once(deployment: Deployment, client: Process) -> None:
    """Have the client of site-2 stand still, and wait until it is back in a round."""
    stand_still(client)
    wait_until(lambda: bool(late_replies(deployment)), ANSWER_S, "a late reply")
    n_before = n_rounds_with(deployment, "site-2")
    wait_until(
        lambda: n_rounds_with(deployment, "site-2") > n_before, ANSWER_S, "a later round with it"
    )


def test_it_is_asked_one_thing_at_a_time_and_told_which_deadline_it_needs(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan
) -> None:
    federation = {"rounds": 1000, "min_sites": 1, "deadline_s": DEADLINE_S, "empty_rounds": 100}
    plan = make_plan(federation=federation)
    client = start(deployment, hospitals, plan)

    be_late_once(deployment, client)

    (late,) = late_replies(deployment)
    rounds = {e["round"]: e["missing"].get("site-2") for e in log(deployment, "round")}  # type: ignore[attr-defined]
    busy = f"still at work on round {late['round']}"
    assert rounds[late["round"]] == "no reply before the deadline"
    assert rounds[late["round"] + 1] == busy  # type: ignore[operator]
    needed = math.ceil(float(str(late["seconds"])))
    said = " ".join((deployment.folder / "server.log").read_text().split())
    advice = f"site-2 needs {needed} s, the deadline is 10 s; set federation.deadline_s to at least"
    assert f"{advice} {math.ceil(1.5 * needed)}" in said
    run_here("server", "report", deployment.study)
    assert advice in (deployment.study / "report.html").read_text()
    lines = (hospitals / "site-2" / "state" / "ledger.jsonl").read_text().splitlines()
    asked = {json.loads(line)["round"] for line in lines}
    assert late["round"] in asked
    assert not asked & {round_ for round_, reason in rounds.items() if reason == busy}


def test_a_deadline_that_follows_is_long_enough_the_next_time(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan
) -> None:
    plan = make_plan(federation={"rounds": 1000, "min_sites": 1, "deadline_s": "auto"})
    client = start(deployment, hospitals, plan)

    be_late_once(deployment, client)
    stand_still(client)

    def waited() -> list[float]:
        answers = [e["sites"].get("site-2", {}) for e in log(deployment, "round")]  # type: ignore[attr-defined]
        return [answer["waited"] for answer in answers if answer]

    wait_until(lambda: max(waited()) >= STILL_S - 5, ANSWER_S, "its update")
    assert len(late_replies(deployment)) == 1
