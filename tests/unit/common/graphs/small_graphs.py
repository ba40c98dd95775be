"""Small networks of our own as graphs, for tests of the hospital's side."""

import copy
import json
from typing import Any

import torch
from torch import nn

from medfl_common.models.graphs.network import GraphNetwork
from medfl_common.models.graphs.reading import read_graph
from medfl_sim.graphs.describe import Described, describe


class GatedAttention(nn.Module):
    """Patches of an image, weighed by a gate (Ilse et al., ICML 2018), with its own parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 8, 4, 4)
        self.place = nn.Parameter(torch.randn(1, 16, 8))
        self.value, self.gate = nn.Linear(8, 6), nn.Linear(8, 6)
        self.score, self.drop = nn.Linear(6, 1), nn.Dropout(0.2)
        self.head = nn.Linear(8, 2)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        seen = self.patches(pixels).flatten(2).transpose(1, 2) + self.place
        gate = torch.tanh(self.value(seen)) * torch.sigmoid(self.gate(seen))
        weight = self.score(gate).softmax(1)
        logits: torch.Tensor = self.head(self.drop((weight * seen).sum(1)))
        return logits


class UNet(nn.Module):
    """Down and up once, with instance norms, a transposed convolution and a bilinear one."""

    def __init__(self, dimensions: int = 2) -> None:
        super().__init__()
        is_flat = dimensions == 2
        convolution = nn.Conv2d if is_flat else nn.Conv3d
        norm = nn.InstanceNorm2d if is_flat else nn.InstanceNorm3d
        up = nn.ConvTranspose2d if is_flat else nn.ConvTranspose3d
        self.first = nn.Sequential(convolution(1, 4, 3, padding=1), norm(4, affine=True), nn.ReLU())
        self.below = nn.Sequential(
            convolution(4, 8, 3, 2, 1), norm(8, affine=True), nn.LeakyReLU(0.1, inplace=True)
        )
        self.up = up(8, 4, 2, 2)
        self.last = convolution(8, 3, 1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        fine = self.first(pixels)
        logits: torch.Tensor = self.last(torch.cat([fine, self.up(self.below(fine))], 1))
        return logits


class Residual(nn.Module):
    """A batch norm, and a branch that training drops at random (Huang et al., ECCV 2016)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.branch, self.head = nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 2)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        values = self.norm(self.conv(pixels)).relu_()
        branch = self.branch(values)
        if self.training:
            kept = torch.empty(branch.shape[0], 1, 1, 1).bernoulli_(0.5)
            branch = branch * kept / 0.5
        logits: torch.Tensor = self.head((values + branch).mean((2, 3)))
        return logits


def whole(module: nn.Module, *shape: int, norm: str = "batch") -> Described:
    """Describe a module with its last layer."""
    return describe(module, shape, "logits", norm)


def built(made: Described) -> GraphNetwork:
    """Build a graph's network with its weights."""
    network = GraphNetwork(read_graph(made.data))
    network.load_state_dict(
        {name.removeprefix("backbone."): tensor for name, tensor in made.weights.items()},
        strict=False,
    )
    return network


def trained(module: nn.Module, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Make three steps; give the weights, and under "" what it then answers."""
    module = copy.deepcopy(module).train()
    torch.manual_seed(3)
    optimizer = torch.optim.SGD(module.parameters(), 0.05, momentum=0.9)
    for k in range(3):
        optimizer.zero_grad()
        module(images + k).square().mean().backward()
        optimizer.step()
    state = {n: t for n, t in module.state_dict().items() if t.is_floating_point()}
    return state | {"": module.eval()(images).detach()}


def values(made: Described) -> dict[str, Any]:
    """Give a file's JSON."""
    found: dict[str, Any] = json.loads(made.data)
    return found


def text(changed: dict[str, Any]) -> bytes:
    """Write JSON as a file's content."""
    return json.dumps(changed).encode()
