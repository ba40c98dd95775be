"""A network as data over real hospitals: the simulation's bits and the built-in twin's."""

from pathlib import Path

import pytest
import yaml
from tests.graph_plans import as_graph
from tests.system.through_a_kill import (
    assert_simulations_bits,
    log,
    run_through_a_kill,
)
from tests.unit.sim.test_graph_losses import FOCAL

from medfl_common.plan import graph_files
from medfl_common.plan.plan import load_plan
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.phantoms import KINDS
from medfl_sim.engine.simulation import run_study
from medfl_sim.graphs.make_part import loss_shapes, make_part
from medfl_sim.graphs.module_file import part_of
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


def bring_loss(plan: Path) -> list[str]:
    """Have the plan bring a loss, too, which is medfl's own; list the SHA-256 of what it brings."""
    (plan.parent / "own.py").write_text(FOCAL)
    module = part_of(f"{plan.parent / 'own.py'}:plain", "loss")
    made = make_part(module, "loss", loss_shapes(1, None), plan.parent / "loss.json", print)
    values = yaml.safe_load(plan.read_text())
    values["training"] |= yaml.safe_load(made)["training"]
    plan.write_text(yaml.safe_dump(values))
    return [one.sha256 for one in graph_files.graph_files(load_plan(plan))]


@pytest.mark.parametrize("model", ["small_cnn, norm: group", "vit_tiny_16"])
def test_a_graph_gives_the_twins_bits_and_travels_once_to_each_hospital(
    deployment: Deployment, tmp_path: Path, model: str
) -> None:
    twin = tmp_path / "plan.yaml"
    twin.write_text(PLAN.replace("MODEL", model))
    plan = as_graph(twin, tmp_path / "graph")
    sites = KINDS.get("chest")(tmp_path / "hospitals", 4, 40, 1)
    brought = bring_loss(plan)
    for site in sites:
        with (site / "site.yaml").open("a") as file:
            file.write(f"policy: {{networks: [{', '.join(brought)}]}}\n")

    tap = run_through_a_kill(deployment, plan, sites[:3], sites[3], all_die=True)

    assert_simulations_bits(deployment, plan, tmp_path / "hospitals", sites)
    built_in = create_study(tmp_path / "twin", twin)
    run_study(built_in, virtual_sites(tmp_path / "hospitals", built_in.plan))
    (own,), (graph,) = log(built_in.folder, "finished"), log(deployment.study, "finished")
    assert own["sha256"] == graph["sha256"]
    for site in sites:
        for sha256, name in zip(brought, ("net.json", "loss.json"), strict=True):
            kept = graph_files.kept_as(site / "state" / "graphs", sha256)
            assert kept.read_bytes() == (plan.parent / name).read_bytes()
    assert tap.heard
