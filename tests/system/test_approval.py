"""A hospital decides, as real processes: nothing runs unapproved, and a withdrawal is at once."""

import json
import re
import signal
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.conftest import MakePlan

from medfl_client.egress import ledger
from medfl_client.task.reading_ahead import LOOK_S
from medfl_common.errors import RunError
from medfl_common.plan.plan import load_plan
from medfl_common.run.log import Line, read_lines
from medfl_sim.local.deployment import Deployment, Process, run_command, run_here, wait_until

pytestmark = pytest.mark.processes

ANSWER_S = 300.0  # for what takes seconds on an idle machine
END_S = 10.0  # for a client to end


def log(deployment: Deployment, kind: str) -> list[Line]:
    events = read_lines(deployment.study / "log.jsonl")
    return [event for event in events if event["event"] == kind]


def decisions(site: Path) -> list[object]:
    path = site / "state" / "ledger.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line)["decision"] for line in lines]


def start_outside_its_hours(deployment: Deployment, site: Path) -> Process:
    """Start a client that takes up tasks in one minute of the day, which is not now."""
    now = datetime.now()
    begins, ends = (f"{(now + timedelta(hours=12, minutes=m)):%H:%M}" for m in (0, 1))
    path = site / "site.yaml"
    path.write_text(path.read_text().replace("policy: {", f"policy: {{hours: '{begins}-{ends}', "))
    client, said = deployment.start_client(site), deployment.folder / "site-1.log"
    for words in (f"(P11); tasks wait until {begins}", "connected to the coordinator"):
        wait_until(lambda words=words: words in said.read_text(), ANSWER_S, words)  # type: ignore[misc]
    time.sleep(2.0)  # in which a task would be taken up
    return client


@pytest.mark.slow
def test_a_running_client_reads_the_images_when_the_plan_is_approved_and_before_any_task(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan
) -> None:
    site, path = hospitals / "site-1", make_plan()
    deployment.create(path, {"site-1": site}, approve=False)  # and no coordinator runs
    deployment.start_client(site)
    screen, state = deployment.folder / "site-1.log", site / "state"
    wait_until(lambda: "is ready on" in screen.read_text(), ANSWER_S, "a client")
    time.sleep(2 * LOOK_S)
    assert not any((state / name).exists() for name in ("index.sqlite", "cache"))

    run_here("client", "approve", site, path, "--yes")

    ready = "40 images are ready for the first round of small"
    wait_until(lambda: ready in screen.read_text(), ANSWER_S, ready)
    assert (state / "cache").exists()
    assert not (state / "ledger.jsonl").exists()


@pytest.mark.slow
def test_an_unapproved_plan_is_refused_unread_and_runs_once_it_is_approved(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan
) -> None:
    site, path = hospitals / "site-1", make_plan(federation={"rounds": 2})
    deployment.create(path, {"site-1": site}, approve=False)
    server = deployment.start_server()
    client = start_outside_its_hours(deployment, site)
    assert decisions(site) == []
    client.terminate()
    client.wait(END_S)
    in_hours = re.sub("hours: '.*?', ", "", (site / "site.yaml").read_text())
    (site / "site.yaml").write_text(in_hours)
    deployment.start_client(site)

    wait_until(lambda: "refused: P1" in decisions(site), ANSWER_S, "a refusal")

    assert not any((site / "state" / name).exists() for name in ("index.sqlite", "cache"))
    proposed = site / "state" / "proposed" / f"{load_plan(path).hash()[:12]}.yaml"
    assert f"medfl-client approve {site} {proposed}" in (
        deployment.folder / "site-1.log"
    ).read_text().replace("\n", "")
    wait_until(
        lambda: (
            "waiting for site-1: the plan is not approved there yet"
            in (deployment.folder / "server.log").read_text()
        ),
        ANSWER_S,
        "the coordinator to be told",
    )
    said = run_here("client", "approve", site, "--yes")  # the newest proposed one
    assert "approved: small" in said
    assert server.wait(2 * ANSWER_S) == 0  # it asks again by itself
    assert [event["round"] for event in log(deployment, "finished")] == [2]
    assert decisions(site)[-3:] == ["released"] * 3
    assert "is whole" in run_here("client", "audit", "verify", site)


@pytest.mark.slow
def test_sigterm_ends_a_client_in_time_and_a_withdrawal_ends_it_for_good(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan
) -> None:
    site = hospitals / "site-1"
    plan = make_plan(
        federation={"rounds": 100, "deadline_s": 600},
        training={"epochs": 60, "lr": 0.001},  # some seconds a round: long enough to be hit
    )
    deployment.create(plan, {"site-1": site})
    deployment.start_server()
    client = deployment.start_client(site)
    wait_until(lambda: "released" in decisions(site), ANSWER_S, "a round")
    time.sleep(1.0)  # in mid-training

    client.send_signal(signal.SIGTERM)

    client.wait(END_S)
    assert "is whole" in run_here("client", "audit", "verify", site)
    n_before = len(decisions(site))
    client = deployment.start_client(site)
    wait_until(lambda: len(decisions(site)) > n_before, ANSWER_S, "a round after the restart")

    said = run_command("client", "withdraw", site)

    assert client.poll() is not None
    assert "withdrawn from study small" in said
    assert "stopping the client" in said
    n_after = len(decisions(site))
    client = deployment.start_client(site)  # a service may start it again
    wait_until(lambda: len(decisions(site)) > n_after, ANSWER_S, "a refusal")
    assert set(decisions(site)[n_after:]) == {"refused: withdrawn"}
    assert ledger.first_broken_line(site / "state" / "approvals.jsonl") is None
    path = site / "state" / "ledger.jsonl"
    path.write_text(path.read_text().replace("released", "withheld", 1))
    with pytest.raises(RunError, match="ended with 1"):
        run_here("client", "audit", "verify", site)
