"""A built-in network as a graph beside its twin: two plans that begin with the same weights."""

import hashlib
from pathlib import Path

import yaml
from safetensors.torch import save

from medfl_common.models import build_model
from medfl_common.plan.plan import load_plan
from medfl_sim.graphs.describe import describe


def as_graph(plan: Path, out: Path) -> Path:
    """Write a plan whose network is another plan's as a graph; give its file.

    The other plan is changed to begin with the same weights.
    """
    values = yaml.safe_load(plan.read_text())
    read = load_plan(plan)
    network = build_model(read)
    made = describe(network, (read.images.shape[0], *read.images.window))
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
