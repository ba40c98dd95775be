"""Networks of MONAI and timm that the guide brings as graphs, beside the networks themselves."""

import hashlib
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save
from tests.conftest import ROOT, MakePlan
from tests.graphs import after_steps, said, twins
from tests.masks import PLAN
from torch import nn

from medfl_client.config.site_file import Policy
from medfl_client.data.dataset import MaskedImages, SiteData
from medfl_client.task.site import Site
from medfl_common.models import DENSE, MODELS, Backbone, DenseBackbone
from medfl_common.models.norms import GroupNorm
from medfl_common.models.weights import Weights
from medfl_common.plan.plan import Plan
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study
from medfl_sim.graphs.make import GraphFiles, make_graph
from medfl_sim.graphs.norms import replace_norms

GUIDE = ROOT / "docs" / "how-to" / "networks-of-monai-and-timm.md"
FROM = {"dynunet": "monai", "segresnet": "monai", "unetr": "monai", "densenet": "monai",
        "vit": "timm"}  # fmt: skip
HEADS = {"dynunet": "output_block.conv.conv", "segresnet": "conv_final.2.conv",
         "unetr": "out.conv.conv", "densenet": "class_layers.out", "vit": "head"}  # fmt: skip
TWICE = ("input_block", "downsamples", "bottleneck", "upsamples")  # in DynUNet's skip_layers too
SIDE, IN_3D = 32, ("dynunet", "segresnet", "unetr")


def network(name: str) -> nn.Module:
    """Make a network by the guide's own code, or skip where its package is absent."""
    if importlib.util.find_spec(FROM[name]) is None:
        pytest.skip(f"{FROM[name]} is not installed: pip install 'medfl[dev]'")
    (code,) = re.findall(rf"```python\n([^`]*?def {name}\([^`]*)```", GUIDE.read_text())
    space: dict[str, Callable[..., nn.Module]] = {}
    exec(compile(code, str(GUIDE), "exec"), space)
    torch.manual_seed(4)
    return space[name](SIDE) if name in ("unetr", "vit") else space[name]()


def shape_of(name: str) -> tuple[int, ...]:
    return (1, SIDE, SIDE, SIDE) if name in IN_3D else (1, SIDE, SIDE)


@pytest.mark.slow
@pytest.mark.parametrize("name", FROM)
def test_a_network_that_people_ask_for_trains_to_the_same_bits(name: str) -> None:
    ours, eager, _ = twins(network(name), shape_of(name))

    assert after_steps(ours, shape_of(name)) == after_steps(eager, shape_of(name))


def without_head(module: nn.Module, place: str) -> tuple[nn.Module, int]:
    """Take the last layer away, as an author would who writes a built-in network."""
    parent, _, key = place.rpartition(".")
    head = module.get_submodule(place)
    setattr(module.get_submodule(parent), key, nn.Identity())
    for key in TWICE:
        module._modules.pop(key, None)
    replace_norms(module, "group")
    with_rows_first(module)
    assert isinstance(head.weight, torch.Tensor)
    return module, head.weight.shape[1]


def with_rows_first(module: nn.Module) -> None:
    """Use medfl's group norms, as built-in networks do: torch's have other bits, channels last."""
    for parent in [*module.modules()]:
        for key, child in parent.named_children():
            if type(child) is nn.GroupNorm:
                setattr(parent, key, GroupNorm(child.num_groups, child.num_channels, child.eps))


def other_names(module: nn.Module) -> dict[str, str]:
    """Give the last name in a state of each tensor that has two; a graph has the first."""
    state, last = module.state_dict(keep_vars=True), dict[int, str]()
    for name, tensor in state.items():
        last[id(tensor)] = name
    return {f"backbone.{n}": f"backbone.{last[id(t)]}" for n, t in state.items()}


def start_of(module: nn.Module, files: GraphFiles, folder: Path) -> dict[str, str]:
    """Write the weights that the network itself starts from; some of its tensors no step uses."""
    own = {f"backbone.{n}": t.clone() for n, t in module.state_dict().items()}
    head = {n: t for n, t in load_file(files.weights).items() if n.startswith("head.")}
    packed = save(own | head)
    (folder / "eager.safetensors").write_bytes(packed)
    return {"file": "eager.safetensors", "sha256": hashlib.sha256(packed).hexdigest()}


def volumes(n: int, seed: int) -> MaskedImages:
    """Draw volumes of a bright and a very bright cube."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((n, SIDE, SIDE, SIDE), dtype=np.uint8)
    for mask in masks:
        for k in (1, 2):
            corner = rng.integers(0, SIDE - 10, 3)
            mask[tuple(slice(c, c + 10) for c in corner)] = k
    pixels = (masks[:, None] * 100 + rng.integers(0, 20, (n, 1, SIDE, SIDE, SIDE))).astype(np.uint8)
    rows = np.arange(n)
    return MaskedImages(pixels, rows, torch.ones(n, 3), masks=masks, mask_rows=rows)


def outlining(name: str, seed: int) -> Site:
    def data(plan: Plan) -> SiteData:
        parts = [volumes(4, 10 * seed + i) for i in range(3)]
        whose = {part: np.arange(4) for part in ("train", "validation", "test")}
        return SiteData(*parts, patients=whose)

    policy = Policy(min_cell=1, min_images=1, networks="any", bare_networks=True)
    return Site(name, policy, torch.device("cpu"), data, None)


def outlines(folder: Path, model: dict[str, object]) -> Weights:
    """Make five rounds of two hospitals with masks."""
    values = yaml.safe_load(PLAN.replace("MODEL", "graph"))
    values["images"] = {"modality": ["CT"], "size": SIDE, "depth": SIDE, "dimensions": 3,
                        "sample": "series", "spacing_mm": 1.0, "slice_mm": 1.0}  # fmt: skip
    values |= {"model": model, "federation": {"rounds": 5, "deadline_s": 600}}
    values["training"] |= {"precision": "float32"}
    plan = folder / f"{model['name']}.yaml"
    plan.write_text(yaml.safe_dump(values))
    study = create_study(folder / str(model["name"]), plan)
    run_study(study, {name: outlining(name, i) for i, name in enumerate(("north", "south"))})
    return load_file(study.folder / "model.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("name", FROM)
def test_five_rounds_have_the_bits_of_the_network_itself(
    name: str, hospitals: Path, make_plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = make_graph(network(name), shape_of(name), tmp_path / "net.json", say=lambda _: None)

    def eager() -> tuple[nn.Module, int]:
        return without_head(network(name), HEADS[name])

    def dense(*_: object) -> DenseBackbone:
        module, n_features = eager()
        return DenseBackbone(module, (n_features,))

    MODELS.names(), DENSE.names()  # so that all are there before one more is
    monkeypatch.setitem(MODELS._parts, "eager", lambda *_: Backbone(*eager()))
    monkeypatch.setitem(DENSE._parts, "eager", dense)

    def final(model: dict[str, object]) -> Weights:
        if name in IN_3D:
            return outlines(tmp_path, model)
        plan = make_plan(
            images={"size": SIDE},
            federation={"rounds": 5},
            model={"norm": "own", **model},
            evaluation={"keep": "last"},
        )
        study = create_study(tmp_path / str(model["name"]), plan)
        run_study(study, virtual_sites(hospitals, study.plan))
        return load_file(study.folder / "model.safetensors")

    names = other_names(network(name))
    graph = final(files.model)
    own = final({"name": "eager", "weights": start_of(eager()[0], files, tmp_path)})

    assert said(graph) == said({one: own[names.get(one, one)] for one in graph})
    assert said(graph) != said(load_file(files.weights))
