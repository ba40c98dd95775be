"""The last scoring: hospitals that are all away, or come later, or score from outside."""

from pathlib import Path

import pytest
import yaml
from tests.conftest import MakePlan

from medfl_client.config.folder import StateFolder
from medfl_common.run.events import Finished, ScoredOnTest, ScoredOutside
from medfl_server.study.run_directory import open_study
from medfl_sim.local.deployment import Deployment, run_command, wait_until

ANSWER_S = 300.0


def log_of(deployment: Deployment, name: str) -> str:
    return (deployment.folder / f"{name}.log").read_text()


@pytest.mark.slow
@pytest.mark.processes
def test_hospitals_that_were_all_away_score_the_result_once_when_they_are_back(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan
) -> None:
    """Both are killed in the last round; the study pauses, and ends when they come back."""
    sites = {name: hospitals / name for name in ("site-1", "site-2")}
    federation = {"rounds": 2, "deadline_s": 5, "empty_rounds": 1}
    deployment.create(make_plan(federation=federation, training={"epochs": 8}), sites)
    server = deployment.start_server()
    clients = [deployment.start_client(site) for site in sites.values()]
    wait_until(lambda: "round 2 of 2:" in log_of(deployment, "server"), ANSWER_S, "round 2")
    for client in clients:
        client.kill()
    if server.wait(ANSWER_S) == 0:
        pytest.skip("the last scoring was answered before the kill")
    assert not open_study(deployment.study).log.read(Finished)

    server = deployment.start_server()
    clients = [deployment.start_client(site) for site in sites.values()]
    assert server.wait(ANSWER_S) == 0

    study = open_study(deployment.study)
    (finished,) = study.log.read(Finished)
    assert [*finished.sites] == [*sites]
    assert len(study.log.read(ScoredOnTest)) == 1
    for site in sites.values():
        assert [*StateFolder.of(site).models.glob(study.run)]


@pytest.mark.slow
@pytest.mark.processes
def test_an_outside_hospital_that_came_later_scores_the_model_and_keeps_it(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan
) -> None:
    sites = {name: hospitals / name for name in ("site-1", "site-2")}
    deployment.create(make_plan(federation={"rounds": 1}), sites)
    server = deployment.start_server()
    for site in sites.values():
        deployment.start_client(site)
    assert server.wait(ANSWER_S) == 0
    outside = hospitals / "site-3"
    values = yaml.safe_load((outside / "site.yaml").read_text())
    values["policy"] = {**values.get("policy", {}), "role": "evaluate", "min_cell": 1}
    (outside / "site.yaml").write_text(yaml.safe_dump(values))
    deployment.init_site(outside)
    key = outside / "identity.pub"
    run_command("server", "enrol", deployment.study, "site-3", key, "--role", "evaluate")
    client = deployment.start_client(outside)

    said = run_command(
        "server", "score", deployment.study, "--sites", "site-3",
        "--port", deployment.port, "--bind", "127.0.0.1",
    )  # fmt: skip

    study = open_study(deployment.study)
    (scored,) = study.log.read(ScoredOutside)
    assert scored.sha256 == study.log.read(Finished)[-1].sha256
    assert scored.sites["site-3"].n_scored
    assert "on outside hospitals" in said
    assert client.wait(ANSWER_S) == 0
    assert [*StateFolder.of(outside).models.glob(study.run)]
    card = study.files.model_card.read_text()
    assert "At hospitals outside the study" in card
