"""An author's network and its graph, trained side by side."""

import copy
import hashlib
from collections.abc import Sequence

import torch
from torch import nn

from medfl_common.models.graphs.measure import measure
from medfl_common.models.graphs.reading import read_graph
from medfl_sim.graphs.check import rebuilt
from medfl_sim.graphs.describe import Described, describe
from medfl_sim.graphs.norms import replace_norms


def twins(
    module: nn.Module, shape: Sequence[int], norm: str = "group", gives: str = ""
) -> tuple[nn.Module, nn.Module, Described]:
    """Give the network that a hospital builds of a module's graph, the module, and the graph."""
    described = describe(module, shape, gives, norm)
    graph = read_graph(described.data)
    measure(graph)
    eager = copy.deepcopy(module)
    replace_norms(eager, norm)
    return rebuilt(graph, described.weights), eager, described


def after_steps(
    network: nn.Module, shape: Sequence[int], n_steps: int = 3, lr: float = 0.01
) -> str:
    """Train on drawn images, 4 in a batch and then 3; return the SHA-256 of what a study averages.

    It covers the state in the order of its values' first names, `backbone.` and the head's taken
    away, so that twins of other names are comparable.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    draw = torch.Generator().manual_seed(7)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    network.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        for step in range(n_steps):
            images = torch.rand((4 - step % 2, *shape), generator=draw)
            loss = (network(images) - 1).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    torch.set_num_threads(threads)
    return digest(network)


def digest(network: nn.Module) -> str:
    """Hash the trained tensors and statistics of a network, whatever their names."""
    state = [t for t in network.state_dict().values() if t.is_floating_point()]
    each = sorted(hashlib.sha256(t.contiguous().numpy().tobytes()).hexdigest() for t in state)
    return hashlib.sha256("".join(each).encode()).hexdigest()
