"""A built-in network as a graph beside its twin: two plans that begin with the same weights."""

import hashlib
from pathlib import Path

import yaml
from safetensors.torch import save

from medfl_common.models import build_model
from medfl_common.plan.plan import load_plan
from medfl_common.run.log import read_lines
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.phantoms import KINDS
from medfl_sim.engine.simulation import run_study
from medfl_sim.graphs.describe import describe


def as_graph(plan: Path, out: Path) -> Path:
    """Write a plan whose network is another plan's as a graph; give its file.

    The other plan is changed to begin with the same weights.
    """
    values = yaml.safe_load(plan.read_text())
    read = load_plan(plan)
    network = build_model(read)
    made = describe(network, (read.images.channels, *read.images.window))
    out.mkdir(parents=True, exist_ok=True)
    weights = save(network.state_dict())
    (out / "net.json").write_bytes(made.data.replace(b'"backbone.', b'"'))
    (out / "net.safetensors").write_bytes(weights)
    (plan.parent / "net.safetensors").write_bytes(weights)
    start = {"file": "net.safetensors", "sha256": hashlib.sha256(weights).hexdigest()}
    values["model"]["weights"] = start
    plan.write_text(yaml.safe_dump(values))
    sha256 = hashlib.sha256((out / "net.json").read_bytes()).hexdigest()
    values["model"] = {"name": "graph", "file": "net.json", "sha256": sha256, "weights": start}
    graph = out / "plan.yaml"
    graph.write_text(yaml.safe_dump(values))
    return graph


def twin_runs(plans: list[Path], folder: Path) -> list[str]:
    """Simulate plans over the same three hospitals; give the hashes of their last weights."""
    KINDS.get("chest")(folder / "hospitals", 3, 30, 1)
    digests = []
    for k, plan in enumerate(plans):
        study = create_study(folder / f"run-{k}", plan)
        run_study(study, virtual_sites(folder / "hospitals", study.plan))
        (line,) = [one for one in read_lines(study.files.log) if one["event"] == "finished"]
        digests.append(str(line["sha256"]))
    return digests
