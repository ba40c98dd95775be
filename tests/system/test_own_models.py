"""Real hospitals: a model of their own stays with them, and no round waits for the slow one."""

import csv
from pathlib import Path

import pytest
from tests.conftest import MakePlan

from medfl_common.run.log import Line, read_lines
from medfl_sim.local.deployment import Deployment, run_command, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.slow]

ANSWER_S = 300.0


def log(deployment: Deployment, kind: str) -> list[Line]:
    events = read_lines(deployment.study / "log.jsonl") if deployment.study.exists() else []
    return [event for event in events if event["event"] == kind]


def test_dittos_own_model_stays_is_judged_here_and_predicts(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan
) -> None:
    sites = {name: hospitals / name for name in ("site-1", "site-2")}
    plan = make_plan(federation={"strategy": "ditto", "rounds": 2})
    deployment.create(plan, sites)
    server = deployment.start_server()
    for folder in sites.values():
        deployment.start_client(folder)

    assert server.wait(2 * ANSWER_S) == 0, (deployment.folder / "server.log").read_text()

    models = hospitals / "site-1" / "state" / "models"
    wait_until(lambda: len([*models.glob("*/scores.txt")]) == 2, ANSWER_S, "both models")
    (own,) = models.glob("personal-*")
    (common,) = set(models.iterdir()) - {own}
    weights = [(folder / "model.safetensors").read_bytes() for folder in (own, common)]
    assert weights[0] != weights[1]
    assert not [*deployment.study.rglob("*personal*")]
    pictures = next((hospitals / "site-1").rglob("*.dcm")).parent
    made = []
    for name in ("personal", "last"):
        out = deployment.folder / f"{name}.csv"
        run_command("client", "predict", hospitals / "site-1", name, pictures, "--out", out)
        made.append([*csv.DictReader(out.read_text().splitlines())])
    assert len(made[0]) == len(made[1]) > 0
    assert made[0] != made[1]


def test_fedbuff_makes_rounds_while_a_site_is_away(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan
) -> None:
    sites = {name: hospitals / name for name in ("site-1", "site-2", "site-3")}
    plan = make_plan(
        federation={"strategy": "fedbuff", "options": {"fedbuff_size": 2}, "rounds": 1000},
        # Slowly: to sites at rest, an update of one that comes back would be too large to admit.
        training={"epochs": 20, "lr": 0.0001},
    )
    deployment.create(plan, sites)
    deployment.start_server()
    clients = {name: deployment.start_client(folder) for name, folder in sites.items()}
    wait_until(lambda: len(log(deployment, "round")) >= 2, ANSWER_S, "two rounds")
    clients["site-3"].kill()
    clients["site-3"].wait()
    n_before = len(log(deployment, "round"))
    wait_until(lambda: len(log(deployment, "round")) >= n_before + 3, ANSWER_S, "three more")
    n_away = len(log(deployment, "round"))
    deployment.start_client(sites["site-3"])

    def is_back() -> bool:
        return any("site-3" in event["sites"] for event in log(deployment, "round")[n_away:])  # type: ignore[operator]

    wait_until(is_back, ANSWER_S, "an update of site-3")

    rounds = log(deployment, "round")
    assert [event["round"] for event in rounds] == [*range(1, len(rounds) + 1)]
    assert {len(event["sites"]) for event in rounds} == {2}  # type: ignore[arg-type]
