"""The study ends or rests: each client's last line says which."""

import signal
import time
from pathlib import Path

import pytest
from tests.conftest import MakePlan

from medfl_sim.local.deployment import Deployment, wait_until

ANSWER_S = 300.0
SILENCE_S = 3.0  # in which a client would say that the coordinator cannot be reached


def said(deployment: Deployment, site: str) -> str:
    return " ".join((deployment.folder / f"{site}.log").read_text().split())


def last_words(deployment: Deployment, site: str) -> str:
    return said(deployment, site)[-400:]


@pytest.mark.slow
@pytest.mark.processes
def test_the_last_line_of_each_client_says_how_the_study_ended(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan
) -> None:
    sites = {name: hospitals / name for name in ("site-1", "site-2")}
    plan = make_plan(federation={"rounds": 8, "deadline_s": 600}, training={"epochs": 10})
    deployment.create(plan, sites)
    server = deployment.start_server()
    clients = {name: deployment.start_client(site) for name, site in sites.items()}
    wait_until(
        lambda: all("round 1 of" in said(deployment, name) for name in sites), ANSWER_S, "a round"
    )

    server.send_signal(signal.SIGTERM)

    assert server.wait(ANSWER_S) == 130
    time.sleep(SILENCE_S)
    for name, client in clients.items():
        assert "the coordinator was stopped; this client waits" in last_words(deployment, name)
        assert client.poll() is None

    server = deployment.start_server()
    for name, client in clients.items():
        assert client.wait(2 * ANSWER_S) == 0
        assert "is finished; the final model is in" in last_words(deployment, name)
        assert "connected to the coordinator" in said(deployment, name).split("was stopped")[1]
    assert server.wait(ANSWER_S) == 0
