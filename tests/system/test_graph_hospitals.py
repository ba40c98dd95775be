"""A network as data over real hospitals: the simulation's bits and the built-in twin's."""

from pathlib import Path

import pytest
from tests.graph_plans import as_graph
from tests.system.through_a_kill import (
    assert_simulations_bits,
    log,
    run_through_a_kill,
)

from medfl_common.plan import graph_files
from medfl_common.plan.plan import load_plan
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.phantoms import KINDS
from medfl_sim.engine.simulation import run_study
from medfl_sim.local.deployment import Deployment

pytestmark = [pytest.mark.processes, pytest.mark.slow]

PLAN = """\
plan: 1
study: brought
seed: 3
task: {type: binary, classes: [normal, opacity]}
images: {modality: [DX, CR], size: 32}
model: {name: MODEL}
training: {lr: 0.1, momentum: 0.9, batch_size: 16, precision: float32}
federation: {rounds: 5, min_sites: 3, deadline_s: 120}
evaluation: {validation: 0.3, keep: last}
"""


@pytest.mark.parametrize("model", ["small_cnn, norm: group", "vit_tiny_16"])
def test_a_graph_gives_the_twins_bits_and_travels_once_to_each_hospital(
    deployment: Deployment, tmp_path: Path, model: str
) -> None:
    twin = tmp_path / "plan.yaml"
    twin.write_text(PLAN.replace("MODEL", model))
    plan = as_graph(twin, tmp_path / "graph")
    sites = KINDS.get("chest")(tmp_path / "hospitals", 4, 40, 1)
    for site in sites:
        with (site / "site.yaml").open("a") as file:
            file.write(f"policy: {{networks: [{load_plan(plan).model.sha256}]}}\n")

    tap = run_through_a_kill(deployment, plan, sites[:3], sites[3], all_die=True)

    assert_simulations_bits(deployment, plan, tmp_path / "hospitals", sites)
    built_in = create_study(tmp_path / "twin", twin)
    run_study(built_in, virtual_sites(tmp_path / "hospitals", built_in.plan))
    (own,), (graph,) = log(built_in.folder, "finished"), log(deployment.study, "finished")
    assert own["sha256"] == graph["sha256"]
    (one,) = graph_files.graph_files(create_study(tmp_path / "again", plan).plan)
    for site in sites:
        kept = graph_files.kept_as(site / "state" / "graphs", one.sha256)
        assert kept.read_bytes() == (plan.parent / "net.json").read_bytes()
    assert tap.heard
