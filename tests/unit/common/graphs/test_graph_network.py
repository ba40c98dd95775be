"""A network from data computes what its author's does, bit by bit, and is made of real layers."""

import pytest
import torch
from tests.unit.common.graphs.small_graphs import (
    GatedAttention,
    Residual,
    UNet,
    built,
    trained,
    whole,
)
from torch import nn

from medfl_common.models.graphs.lifting import lift
from medfl_common.models.graphs.reading import read_graph


@pytest.fixture(autouse=True)
def one_thread():  # type: ignore[no-untyped-def]
    n = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n)


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (GatedAttention(), (1, 16, 16)),
        (UNet(2), (1, 12, 16)),
        (UNet(3), (1, 4, 8, 8)),
        (Residual(), (1, 8, 8)),
    ],
    ids=["own attention", "U-Net", "U-Net of volumes", "batch norm and random depth"],
)
@pytest.mark.parametrize("n", [1, 5])
def test_weights_and_answers_after_training_are_those_of_the_authors_network(
    network: nn.Module, shape: tuple[int, ...], n: int
) -> None:
    images = torch.randn(n, *shape, generator=torch.Generator().manual_seed(1))

    own, graph = trained(network, images), trained(built(whole(network, *shape)), images)

    assert [*own] == [*graph]
    assert all(torch.equal(own[name], graph[name]) for name in own)


def test_layers_are_torchs_own_so_that_hooks_and_freezing_see_them() -> None:
    network = built(whole(Residual(), 1, 8, 8))
    kinds = {name: type(module).__mro__ for name, module in network.named_modules()}

    assert nn.Conv2d in kinds["conv"]
    assert nn.Linear in kinds["head"]
    assert nn.BatchNorm2d in kinds["norm"]
    assert network.statistics == ["norm.running_mean", "norm.running_var"]


def test_a_frozen_batch_norm_rests_while_the_rest_trains() -> None:
    network = built(whole(Residual(), 1, 8, 8)).train()
    network.norm.training = False
    images = torch.randn(4, 1, 8, 8)

    torch.manual_seed(0)
    first = network(images)
    torch.manual_seed(1)
    other = network(images)

    assert not torch.equal(first, other)  # branches are dropped: it trains
    assert float(network.norm.running_mean.abs().sum()) == 0


def test_a_weight_that_is_used_twice_stays_one_weight() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            twice: torch.Tensor = self.layer(self.layer(pixels.flatten(1)))
            return twice

    made = whole(network := Tied(), 1, 2, 2)
    images = torch.randn(3, 1, 2, 2)

    assert lift(read_graph(made.data)) == {}
    own, graph = trained(network, images), trained(built(made), images)
    assert all(torch.equal(own[name], graph[name]) for name in own)


def test_mixed_precision_and_channels_last_reach_the_operators() -> None:
    network = built(whole(UNet(2), 1, 8, 8)).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        given = network(torch.randn(2, 1, 8, 8).to(memory_format=torch.channels_last))
    assert given.dtype == torch.bfloat16
    assert given.shape == (2, 3, 8, 8)
