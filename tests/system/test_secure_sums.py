"""Secure sums over real processes: kills at both ends, and the simulation's bits."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.conftest import MakePlan
from tests.system.kills import Storm
from tests.system.through_a_kill import log

from medfl_common.run.folder import RunFolder
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.radiograph import write_hospitals
from medfl_sim.engine.simulation import run_study
from medfl_sim.local.deployment import Deployment, Process, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.slow]

WAIT_S = 300.0


@pytest.fixture
def four(tmp_path: Path) -> dict[str, Path]:
    """Four hospitals that approve by themselves: nobody compares fingerprints in a test."""
    sites = write_hospitals(tmp_path / "hospitals", n_sites=4, n_images=40, seed=1)
    for site in sites:
        values = yaml.safe_load((site / "site.yaml").read_text())
        values["policy"] = {"min_images": 5, "min_cell": 1, "approval": "none"}
        (site / "site.yaml").write_text(yaml.safe_dump(values))
    return {site.name: site for site in sites}


@pytest.fixture
def plan(make_plan: MakePlan) -> Path:
    return make_plan(
        privacy={"secure_sum": {"most_images": 100}},
        evaluation={"keep": "last"},
        federation={"rounds": 4, "min_sites": "all", "deadline_s": 600},
        training={"epochs": 3},
    )


def moments(study: Path) -> Iterator[int]:
    """Give the round whose list is written and that is not made, again and again; 0: none is."""
    path = RunFolder(study).summed
    while True:
        told = json.loads(path.read_text())["round"] if path.exists() else 0
        yield told if told > len(log(study, "round")) else 0


def kill(process: Process) -> None:
    process.kill()
    process.wait()


def test_kills_at_both_ends_and_in_the_opening_end_with_the_simulations_bits(
    deployment: Deployment, four: dict[str, Path], plan: Path, tmp_path: Path
) -> None:
    deployment.create(plan, four, approve=False)
    server = deployment.start_server()
    clients = {name: deployment.start_client(site) for name, site in four.items()}
    wait_until(lambda: bool(log(deployment.study, "round")), WAIT_S, "the first round")
    kill(clients["site-2"])  # in its training, or after it
    clients["site-2"] = deployment.start_client(four["site-2"])
    opening = moments(deployment.study)
    wait_until(lambda: next(opening) > 1, WAIT_S, "a list of whose numbers came")
    kill(server)
    server = deployment.start_server()
    wait_until(lambda: server.poll() is not None, WAIT_S, "the end of the study")

    study = create_study(tmp_path / "simulated", plan)
    run_study(study, virtual_sites(tmp_path / "hospitals", study.plan))
    (deployed,), (simulated,) = (log(f, "finished") for f in (deployment.study, study.folder))
    assert deployed["sha256"] == simulated["sha256"]
    assert deployed["pooled"] == simulated["pooled"]
    rounds = log(deployment.study, "round")
    assert [line["pooled"]["n_sites"] for line in rounds] == [4] * 4  # type: ignore[index,call-overload]


def test_a_storm_of_kills_at_both_ends_leaves_the_simulations_bits(
    deployment: Deployment, four: dict[str, Path], plan: Path, tmp_path: Path
) -> None:
    values = yaml.safe_load(plan.read_text())
    values["federation"]["rounds"] = 8
    plan.write_text(yaml.safe_dump(values))
    deployment.create(plan, four, approve=False)
    storm = Storm(deployment, four, n_kills=6, seed=4, phases=("sending", "folding", "training"))
    storm.run(4 * WAIT_S)

    study = create_study(tmp_path / "simulated", plan)
    run_study(study, virtual_sites(tmp_path / "hospitals", study.plan))
    (deployed,), (simulated,) = (log(f, "finished") for f in (deployment.study, study.folder))
    assert len(storm.kills) >= 4
    assert deployed["sha256"] == simulated["sha256"]


def test_a_hospital_that_dies_for_good_costs_its_rounds_and_no_more(
    deployment: Deployment, four: dict[str, Path], plan: Path
) -> None:
    values = yaml.safe_load(plan.read_text())
    values["federation"] |= {"min_sites": 1, "deadline_s": 20}
    plan.write_text(yaml.safe_dump(values))
    deployment.create(plan, four, approve=False)
    server = deployment.start_server()
    clients = {name: deployment.start_client(site) for name, site in four.items()}
    wait_until(lambda: bool(log(deployment.study, "round")), WAIT_S, "the first round")
    kill(clients["site-3"])
    wait_until(lambda: server.poll() is not None, WAIT_S, "the end of the study")

    rounds = log(deployment.study, "round")
    in_sums = [line["pooled"]["n_sites"] for line in rounds]  # type: ignore[index,call-overload]
    assert in_sums[0] == 4
    assert in_sums[-1] == 3
    assert log(deployment.study, "finished")
