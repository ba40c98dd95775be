"""A plan with a network as data: the same parts, layers and files as its built-in twin has."""

import hashlib
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load, save
from tests.graph_plans import as_graph
from tests.unit.common.graphs.small_graphs import Residual, UNet
from torch import nn

from medfl_client.model_use.saliency import grad_cam
from medfl_common.errors import ConfigError
from medfl_common.models import build_model
from medfl_common.models.network import PARTS
from medfl_common.models.weights import load_shared
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.run.model_file import Reading, load_model, save_model
from medfl_server.export.forms import ONNX, PT2, write_form
from medfl_sim.graphs.describe import describe

PLAN = """\
plan: 1
study: brought
seed: 3
task: {type: binary, classes: [normal, opacity]}
images: {modality: [DX], size: 32}
model: {name: small_cnn, norm: group}
federation: {rounds: 2}
"""


def twins(folder: Path, **model: object) -> tuple[Plan, Plan]:
    """Give a plan with a built-in network, and the same with the network as data."""
    folder.mkdir(exist_ok=True)
    own = folder / "plan.yaml"
    own.write_text(PLAN)
    graph = as_graph(own, folder / "graph")
    for path in (own, graph):
        values = yaml.safe_load(path.read_text())
        values["model"] |= model
        path.write_text(yaml.safe_dump(values))
    return load_plan(own), load_plan(graph)


def brought(
    folder: Path, module: nn.Module, gives: str = "", **sections: dict[str, object]
) -> Plan:
    """Give a plan with a module as data, batch norms kept."""
    made = describe(module, (1, 32, 32), gives, "batch")
    files = {"net.json": made.data, "net.safetensors": save(made.weights)}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    graph, weights = (hashlib.sha256(data).hexdigest() for data in files.values())
    values = yaml.safe_load(PLAN)
    values["model"] = {"name": "graph", "file": "net.json", "sha256": graph}
    values["model"]["weights"] = {"file": "net.safetensors", "sha256": weights}
    for section, more in sections.items():
        values[section] = {**values.get(section, {}), **more}
    (folder / "brought.yaml").write_text(yaml.safe_dump(values))
    return load_plan(folder / "brought.yaml")


@pytest.mark.parametrize(
    "model",
    [{}, {"freeze": "all"}, {"freeze": {"last": 1}}, {"norm_layers": "local"}, {"dropout": 0.3}],
    ids=["as it is", "frozen", "frozen but the last", "own norm layers", "dropout"],
)
def test_what_travels_is_frozen_or_stays_is_as_of_the_built_in_twin(
    tmp_path: Path, model: dict[str, object]
) -> None:
    own, graph = (build_model(plan) for plan in twins(tmp_path, **model))

    for part in PARTS:
        names = [name.removeprefix("backbone.") for name in own.names(part)]
        # The author's network is a whole one of medfl's, so its layers are one level deeper.
        brought_ = [name.replace("backbone.backbone.", "backbone.") for name in graph.names(part)]
        assert [name.removeprefix("backbone.") for name in brought_] == names


def test_running_statistics_stay_at_the_site_whatever_the_plan_says(tmp_path: Path) -> None:
    network = build_model(brought(tmp_path, Residual()))

    assert network.names("local") == ["backbone.norm.running_mean", "backbone.norm.running_var"]
    assert not any("running" in name for name in network.names("shared"))


def test_a_segmentation_graph_has_medfls_head_and_deep_voxels(tmp_path: Path) -> None:
    dense = {"task": {"type": "segmentation", "classes": ["none", "lung", "heart"]}}
    plan = brought(tmp_path, UNet(2), **dense)
    network, author = build_model(plan), UNet(2)
    weights = load((tmp_path / "net.safetensors").read_bytes())
    load_shared(network, weights)
    author.load_state_dict(
        {n.removeprefix("backbone.").replace("head.0", "last"): t for n, t in weights.items()}
    )
    images = torch.randn(2, 1, 32, 32)

    assert network.is_dense
    assert torch.equal(network.eval()(images), author.eval()(images))


def test_a_graph_that_holds_its_last_layer_is_told_what_it_cannot(tmp_path: Path) -> None:
    class One(Residual):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 1)

    plan = brought(tmp_path, One(), "logits")
    assert build_model(plan)(torch.zeros(2, 1, 32, 32)).shape == (2, 1)

    frozen = plan.model_copy(update={"model": plan.model.model_copy(update={"freeze": "all"})})
    with pytest.raises(ConfigError, match=r"its own last layer, and model.freeze needs medfl's"):
        build_model(frozen)
    with pytest.raises(ConfigError, match="gives 2 logits, the plan's task has 1"):
        build_model(brought(tmp_path, Residual(), "logits"))


def test_another_size_of_images_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="for images of 1 x 32 x 32, the plan's are 1 x 64 x 64"):
        build_model(brought(tmp_path, Residual(), images={"modality": ["DX"], "size": 64}))


def test_a_model_is_kept_explained_and_exported_as_built_in_ones_are(tmp_path: Path) -> None:
    _, plan = twins(tmp_path)
    network = build_model(plan).eval()
    load_shared(network, load((tmp_path / "graph" / "net.safetensors").read_bytes()))
    images = torch.randn(2, 1, 32, 32)

    save_model(tmp_path / "kept", plan, network.state_dict(), Reading(0.5))
    _, again, _ = load_model(tmp_path / "kept")

    assert torch.equal(again(images), network(images))
    assert grad_cam(network, images, 0).shape == (2, 32, 32)
    assert write_form(ONNX, network, plan, tmp_path / "model.onnx") < 1e-5
    assert write_form(PT2, network, plan, tmp_path / "model.pt2") < 1e-5
