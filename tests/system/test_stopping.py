"""A running study is stopped, as real processes: scored, reported, and its hospitals are told."""

import os
from pathlib import Path

import pytest
from tests.conftest import MakePlan

from medfl_common.errors import RunError
from medfl_common.ops.user import user_name
from medfl_common.run.log import Line, read_lines
from medfl_sim.local.deployment import Deployment, run_here, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.processes]

ANSWER_S = 900.0  # for what takes seconds on an idle machine


def test_a_running_study_is_stopped_scored_and_reported_and_the_hospitals_hear_why(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan
) -> None:
    sites = {name: hospitals / name for name in ("site-1", "site-2")}
    sections = {"evaluation": {"test": 0.45}, "federation": {"rounds": 500, "deadline_s": 600}}
    deployment.create(make_plan(**sections), sites)
    server = deployment.start_server()

    def log(kind: str) -> list[Line]:
        lines = read_lines(deployment.study / "log.jsonl")
        return [line for line in lines if line["event"] == kind]

    def said(name: str) -> str:
        return " ".join((deployment.folder / f"{name}.log").read_text().split())

    wait_until(lambda: "waiting for" in said("server"), ANSWER_S, "the coordinator")
    with pytest.raises(RunError, match="no round is made yet"):
        run_here("server", "stop", deployment.study, "--yes")
    clients = {name: deployment.start_client(site) for name, site in sites.items()}
    wait_until(lambda: bool(log("round")), ANSWER_S, "a round")

    run_here("server", "stop", deployment.study, "--yes", "--reason", "the grant has ended")

    assert server.wait(ANSWER_S) == 0, said("server")
    for name, client in clients.items():
        assert client.wait(ANSWER_S) == 0, said(name)
        assert 'the coordinator has ended it, and says: "the grant has ended"' in said(name)
        models = sites[name] / "state" / "models"
        assert (models / os.listdir(models)[0] / "model.safetensors").exists()
    (stopped,), (finished,), (_,) = log("stopped"), log("finished"), log("tested")
    last = len(log("round"))
    assert (stopped["round"], stopped["by"], finished["last"]) == (last, user_name(), last)
    words = f"stopped by {user_name()} after round {last} of 500: the grant has ended"
    assert words in said("server")
    assert words in (deployment.study / "report.html").read_text()
    assert words in (deployment.study / "model-card.md").read_text()
    assert not (deployment.study / "stop.json").exists()
