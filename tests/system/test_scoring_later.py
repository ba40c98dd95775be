"""A hospital that comes after the end scores the model, from outside."""

from pathlib import Path

import pytest
import yaml
from tests.conftest import MakePlan

from medfl_client.config.folder import StateFolder
from medfl_common.run.events import Finished, ScoredOutside
from medfl_server.study.run_directory import open_study
from medfl_sim.local.deployment import Deployment, run_command

ANSWER_S = 300.0


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
