"""Studies of a network that the plan brings, beside the same network built in: the same bits."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.conftest import MakePlan
from tests.graphs import said
from torch import nn

from medfl_common.models.weights import Weights
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study
from medfl_sim.graphs.make import GraphFiles, make_graph

SIDE = 32


def small_cnn() -> nn.Module:
    """Write the built-in small_cnn as an author would."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 6 * 6, 128), nn.ReLU(), nn.Linear(128, 1),
    )  # fmt: skip


def resnet18() -> nn.Module:
    """Make torchvision's, for grey images."""
    import torchvision

    module: nn.Module = torchvision.models.resnet18(num_classes=1)
    module.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    return module


def densenet121() -> nn.Module:
    """Make torchvision's, for grey images."""
    import torchvision

    module: nn.Module = torchvision.models.densenet121(num_classes=1)
    module.features.conv0 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    return module


def vit_tiny_16() -> nn.Module:
    """Make torchvision's with 3 heads of 64, for grey images."""
    from torchvision.models import VisionTransformer

    module = VisionTransformer(SIDE, 16, 12, 3, 192, 768, num_classes=1)
    module.conv_proj = nn.Conv2d(1, 192, 16, stride=16)
    return module


def final(
    folder: Path, make_plan: MakePlan, hospitals: Path, model: dict[str, object],
    **sections: dict[str, object],
) -> Weights:  # fmt: skip
    plan = make_plan(
        images={"size": SIDE},
        federation={"rounds": 5},
        model={"norm": "own", **model},
        evaluation={"keep": "last"},
        **sections,
    )
    study = create_study(folder, plan)
    run_study(study, virtual_sites(hospitals, study.plan))
    return load_file(folder / "model.safetensors")


def brought(folder: Path, module: nn.Module) -> GraphFiles:
    return make_graph(module, (1, SIDE, SIDE), folder / "my_net.json", say=lambda _: None)


def both(
    make: Callable[[], nn.Module], folder: Path, make_plan: MakePlan, hospitals: Path
) -> tuple[Weights, Weights]:
    """Give the final models of the graph and of the network of the same name that is built in."""
    torch.manual_seed(5)
    files = brought(folder, make())
    own = {"name": make.__name__, "weights": files.model["weights"]}
    return (
        final(folder / "graph", make_plan, hospitals, files.model),
        final(folder / "own", make_plan, hospitals, own),
    )


def test_five_rounds_of_an_own_network_have_the_bits_of_the_built_in_one(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    graph, own = both(small_cnn, tmp_path, make_plan, hospitals)

    assert graph.keys() == own.keys()
    assert said(graph) == said(own)
    assert said(graph) != said(load_file(tmp_path / "my_net.safetensors"))


@pytest.mark.slow
@pytest.mark.parametrize("make", [resnet18, densenet121, vit_tiny_16])
def test_five_rounds_of_larger_networks_have_the_bits_of_the_built_in_ones(
    make: Callable[[], nn.Module], hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    graph, own = both(make, tmp_path, make_plan, hospitals)

    assert said(graph) == said(own)


def test_a_frozen_own_network_trains_its_head_alone(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    files = brought(tmp_path, small_cnn())
    start = load_file(files.weights)

    model = final(tmp_path / "s", make_plan, hospitals, {**files.model, "freeze": "all"})

    moved = {name for name, tensor in model.items() if not torch.equal(tensor, start[name])}
    assert moved == {"head.1.weight", "head.1.bias"}
