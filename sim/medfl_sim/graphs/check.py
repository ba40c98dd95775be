"""A graph beside the network that it describes: the same bits, or how far apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from medfl_common.errors import ConfigError
from medfl_common.models.graphs.measure import measure
from medfl_common.models.graphs.network import GraphNetwork
from medfl_common.models.graphs.reading import Graph, read_graph
from medfl_common.models.network import Network, PixelHead
from medfl_common.models.weights import load_shared
from medfl_sim.graphs.describe import Described

N_IMAGES = 2
SEED = 20260101  # of the images, and of what dropout draws


@dataclass(frozen=True)
class Checked:
    """A graph as a hospital reads it, and its largest difference from the network."""

    graph: Graph
    in_training: float
    in_evaluation: float

    @property
    def in_words(self) -> str:
        """Say whether the graph gives what the network gives."""
        if not self.in_training and not self.in_evaluation:
            return "checked: the graph gives the network's bits, in training and in evaluation"
        return (
            f"checked: outputs differ by at most {self.in_training:.1e} in training and "
            f"{self.in_evaluation:.1e} in evaluation"
        )


def check(described: Described, module: nn.Module, shape: Sequence[int]) -> Checked:
    """Read a description as a hospital does, and run it beside the module on drawn images.

    Args:
        described: Of the module.
        module: What was described, with its norm layers; it is run, and its statistics move.
        shape: Of one image: channels, [depth,] height, width.
    """
    graph = _as_a_hospital_reads(described)
    ours = rebuilt(graph, described.weights)
    draw = torch.Generator().manual_seed(SEED)
    images = torch.randn((N_IMAGES, *shape), generator=draw)
    apart = [_apart(ours, module, images, is_training) for is_training in (True, False)]
    return Checked(graph, *apart)


def _as_a_hospital_reads(described: Described) -> Graph:
    graph = read_graph(described.data)
    try:
        measure(graph)
    except ConfigError as error:  # it is the network that must change, not the file
        raise ConfigError(
            error.what,
            todo="change that step of the network: no step may write into a weight or the image",
        ) from None
    return graph


def rebuilt(graph: Graph, weights: dict[str, torch.Tensor]) -> nn.Module:
    """Build the network that a plan with this graph has, with its weights."""
    backbone = GraphNetwork(graph)
    if graph.gives == "logits":
        whole = nn.ModuleDict({"backbone": backbone})
        load_shared(whole, weights)
        return backbone
    is_dense = graph.gives == "maps"
    n_features = graph.output[0]
    n_outputs = len(weights["head.0.bias" if is_dense else "head.1.bias"])
    head = PixelHead([n_features], n_outputs, len(graph.output) - 1) if is_dense else None
    network = Network(backbone, n_features, n_outputs, head=head)
    load_shared(network, weights)
    return network


def _apart(ours: nn.Module, module: nn.Module, images: torch.Tensor, is_training: bool) -> float:
    given = []
    for one in (ours, module):
        one.train(is_training)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(SEED)
            given.append(one(images.clone()))
    return float((given[0] - given[1]).abs().max())
