"""An author's network and its graph, trained side by side."""

import copy
import hashlib
from collections.abc import Sequence

import torch
from torch import nn

from medfl_common.models.graphs.measure import measure
from medfl_common.models.graphs.reading import read_graph
from medfl_common.models.norms import RUNNING
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
    """Hash what a network trains, and its running statistics, whatever their names.

    After training, a parameter without a gradient is one that no step uses: a graph has none.
    """
    trained = [*network.parameters()]
    if any(one.grad is not None for one in trained):
        trained = [one for one in trained if one.grad is not None]
    running = [t for name, t in network.named_buffers() if name.endswith(RUNNING)]
    values = [one.detach().contiguous().numpy().tobytes() for one in (*trained, *running)]
    each = sorted(hashlib.sha256(one).hexdigest() for one in values)
    return hashlib.sha256("".join(each).encode()).hexdigest()


def said(weights: dict[str, torch.Tensor]) -> str:
    """Hash a model: its tensors by name."""
    values = hashlib.sha256()
    for name in sorted(weights):
        values.update(name.encode() + weights[name].numpy().tobytes())
    return values.hexdigest()
