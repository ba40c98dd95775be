"""Five rounds of torchvision's networks as graphs: the bits of the built-in or eager twin."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.conftest import MakePlan
from tests.graph_plans import as_graph, twin_runs
from tests.graphs import said
from tests.unit.sim.test_graph_asked_for import other_names, start_of, without_head
from torch import nn

from medfl_common.models import MODELS, Backbone
from medfl_common.models.weights import Weights
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study
from medfl_sim.graphs.make import make_graph

pytestmark = pytest.mark.slow
PLAN = """\
plan: 1
study: rounds
seed: 5
task: {type: binary, classes: [normal, opacity]}
images: {modality: [DX, CR], size: SIDE}
model: {name: NAME, norm: NORM}
training: {lr: 0.01, batch_size: 32, precision: float32}
federation: {rounds: 5}
evaluation: {keep: last}
"""
BUILT_IN = {"resnet50": 32, "convnext_tiny": 32, "efficientnet_b0": 32, "inception_v3": 75}
# Not built in: where the last layer is.
OTHERS = {
    "mobilenet_v2": "classifier.1",
    "mobilenet_v3_small": "classifier.3",
    "mnasnet0_5": "classifier.1",
    "resnet34": "fc",
    "shufflenet_v2_x0_5": "fc",
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_five_rounds_have_the_bits_of_the_built_in_network(name: str, tmp_path: Path) -> None:
    twin = tmp_path / "plan.yaml"
    norm = "own" if name == "convnext_tiny" else "group"
    filled = PLAN.replace("NAME", name).replace("SIDE", str(BUILT_IN[name]))
    twin.write_text(filled.replace("NORM", norm))

    graph, built_in = twin_runs([as_graph(twin, tmp_path / "graph"), twin], tmp_path)

    assert graph == built_in


def grey(name: str) -> nn.Module:
    """Make torchvision's network for grey images and one logit."""
    from torchvision.models import get_model

    torch.manual_seed(4)
    module: nn.Module = get_model(name, weights=None, num_classes=1)
    place, first = next((n, m) for n, m in module.named_modules() if isinstance(m, nn.Conv2d))
    parent, _, key = place.rpartition(".")
    own = nn.Conv2d(
        1, first.out_channels, first.kernel_size, first.stride, first.padding,
        bias=first.bias is not None,
    )  # type: ignore[arg-type]  # fmt: skip
    setattr(module.get_submodule(parent), key, own)
    return module


@pytest.mark.parametrize("name", OTHERS)
def test_five_rounds_have_the_bits_of_the_eager_network(
    name: str, hospitals: Path, make_plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = make_graph(grey(name), (1, 32, 32), tmp_path / "net.json", say=lambda _: None)
    MODELS.names()  # so that all are there before one more is
    monkeypatch.setitem(
        MODELS._parts, "eager", lambda *_: Backbone(*without_head(grey(name), OTHERS[name]))
    )

    def final(model: dict[str, object]) -> Weights:
        plan = make_plan(
            images={"size": 32},
            federation={"rounds": 5},
            model={"norm": "own", **model},
            evaluation={"keep": "last"},
        )
        study = create_study(tmp_path / str(model["name"]), plan)
        run_study(study, virtual_sites(hospitals, study.plan))
        return load_file(study.folder / "model.safetensors")

    eager, _ = without_head(grey(name), OTHERS[name])
    graph = final(files.model)
    own = final({"name": "eager", "weights": start_of(eager, files, tmp_path)})

    names = other_names(grey(name))
    assert said(graph) == said({one: own[names.get(one, one)] for one in graph})
    assert said(graph) != said(load_file(files.weights))
