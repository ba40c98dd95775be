"""Adapters in networks that came as data."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.conftest import MakePlan
from torch import nn
from torch.func import functional_call, grad

from medfl_client.training.clipping import MARGIN, PatientClipping
from medfl_common.errors import ConfigError
from medfl_common.models import build_model
from medfl_common.models.network import Network
from medfl_common.models.weights import load_shared
from medfl_common.plan.plan import load_plan
from medfl_sim.graphs.make import GraphFiles, make_graph


class Tokens(nn.Module):
    """Four tokens of 16 values, attention over them, a dense layer, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 16, 8, 8)
        self.attn = nn.MultiheadAttention(16, 2, batch_first=True)
        self.mlp = nn.Linear(16, 16)
        self.head = nn.Linear(16, 1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(pixels).flatten(2).transpose(1, 2)
        seen, _ = self.attn(tokens, tokens, tokens, need_weights=False)
        logits: torch.Tensor = self.head(self.mlp(seen + tokens).relu().mean(1))
        return logits


@dataclass(frozen=True)
class Made:
    """The author's network, and its files."""

    own: nn.Module
    files: GraphFiles


@pytest.fixture
def made(tmp_path: Path) -> Made:
    torch.manual_seed(1)
    own = Tokens().eval()
    files = make_graph(own, (1, 16, 16), tmp_path / "net.json", say=lambda line: None)
    return Made(own, files)


def network_of(made: Made, make_plan: MakePlan, **adapters: object) -> Network:
    model = {"norm": "own", **made.files.model, "adapters": {"rank": 2, **adapters}}
    plan = load_plan(make_plan(images={"size": 16}, model=model))
    network = build_model(plan)
    load_shared(network, load_file(made.files.weights))
    return network


def test_a_graph_with_fresh_adapters_is_the_authors_network(
    made: Made, make_plan: MakePlan
) -> None:
    network = network_of(made, make_plan, where="all")
    pixels = torch.randn(3, 1, 16, 16)

    torch.testing.assert_close(network.eval()(pixels), made.own(pixels))

    assert set(network.names("shared")) == {
        "backbone.attn.out_proj.adapter.up.weight",
        "backbone.mlp.adapter.up.weight",
        "head.1.weight",
        "head.1.bias",
    }


@pytest.mark.parametrize(("where", "layer"), [("attention", "attn.out_proj"), ("dense", "mlp")])
def test_the_layers_names_say_which_are_of_attention(
    where: str, layer: str, made: Made, make_plan: MakePlan
) -> None:
    network = network_of(made, make_plan, where=where)

    assert network.names("shared")[0] == f"backbone.{layer}.adapter.up.weight"
    assert len(network.names("shared")) == 3


def test_a_graph_that_holds_its_own_head_takes_no_adapters(
    made: Made, make_plan: MakePlan, tmp_path: Path
) -> None:
    files = make_graph(
        made.own, (1, 16, 16), tmp_path / "w.json", whole=True, say=lambda line: None
    )

    with pytest.raises(ConfigError, match=r"model\.adapters needs medfl's"):
        network_of(Made(made.own, files), make_plan)


def test_patients_are_clipped_one_by_one_though_the_graph_lays_them_otherwise(
    made: Made, make_plan: MakePlan
) -> None:
    network = network_of(made, make_plan, where="all").double().eval()
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    for parameter in trained.values():
        nn.init.normal_(parameter, 0, 0.5)
    pixels, n_images = torch.randn(4, 1, 16, 16).double(), [1, 2, 1]  # tokens go before images

    def loss(weights: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        return functional_call(network, weights, (x,)).square().mean()

    with PatientClipping(network, 0.1 / (1 - MARGIN), "tested") as clipping:
        lengths = clipping.add(pixels, pixels, n_images, lambda logits, _: logits[:, 0].square())

    own = [
        grad(loss)({n: p.detach() for n, p in trained.items()}, x) for x in pixels.split(n_images)
    ]
    expected = torch.stack([torch.stack([g.norm() for g in one.values()]).norm() for one in own])
    torch.testing.assert_close(lengths, expected, rtol=1e-6, atol=0)
    for name, total in zip(trained, clipping.sums, strict=True):
        cut = sum(one[name] * 0.1 / max(0.1, n) for one, n in zip(own, expected, strict=True))
        torch.testing.assert_close(total, cut, rtol=1e-6, atol=1e-12)
