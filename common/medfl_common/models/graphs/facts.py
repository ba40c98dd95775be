"""What a graph is made of and what it costs, for a person who decides about it."""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import nn

from medfl_common.models.graphs.lifting import (
    AnyBatchNorm,
    AnyGroupNorm,
    AnyInstanceNorm,
    lift,
)
from medfl_common.models.graphs.measure import measure
from medfl_common.models.graphs.network import GraphNetwork
from medfl_common.models.graphs.reading import Graph

NEAR = 2  # layers with weights before one that still looks at nearly the pixels themselves
MANY = 2  # images, as many as a training listing needs
MUCH = 0.25  # of an image, seen by one weight's row at once
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose2d, nn.ConvTranspose3d)
WORDS: tuple[tuple[type[nn.Module] | tuple[type[nn.Module], ...], str], ...] = (
    (CONVOLUTIONS, "convolution"),
    (TRANSPOSED, "transposed convolution"),
    (nn.Linear, "dense layer"),
    (AnyBatchNorm, "batch norm"),
    (AnyGroupNorm, "group norm"),
    (nn.LayerNorm, "layer norm"),
    (AnyInstanceNorm, "instance norm"),
)


@dataclass(frozen=True)
class Wide:
    """A layer near the pixels of which one row sees much of an image."""

    name: str
    share: float  # of the image's values


@dataclass(frozen=True)
class GraphFacts:
    """What a graph is made of.

    layers: How many of each kind, in words.
    first: Side lengths of what the first convolution sees at once; empty: there is none.
    loose: Trained numbers that are in no layer of a known kind.
    multiply_adds: Of the layers, for one image.
    values: That a step keeps of one image.
    """

    operators: int
    parameters: int
    layers: tuple[tuple[str, int], ...]
    first: tuple[int, ...]
    loose: int
    multiply_adds: int
    values: int
    wide: tuple[Wide, ...]


@lru_cache(maxsize=16)
def facts_of(graph: Graph) -> GraphFacts:
    """Count what a checked graph is made of."""
    modules = {name: module for name, (module, _, _) in lift(graph).items()}
    layers = [
        (words, n)
        for kind, words in WORDS
        if (n := sum(isinstance(module, kind) for module in modules.values()))
    ]
    in_layers = sum(
        math.prod(graph.tensors[f"{name}.{key}"].shape)
        for name, module in modules.items()
        for key, _ in module.named_parameters()
    )
    seen, in_training = _seen(graph, False), _seen(graph, True)
    wide = {one.name: one for one in (*_wide(graph, seen), *_wide(graph, in_training))}
    kernels = [m.kernel_size for _, m, _, _ in seen if isinstance(m, CONVOLUTIONS)]
    return GraphFacts(
        operators=sum(bool(node.op) for node in graph.train.nodes),
        parameters=graph.n_parameters,
        layers=tuple(layers),
        first=tuple(kernels[0]) if kernels else (),
        loose=graph.n_parameters - in_layers,
        multiply_adds=max(_multiply_adds(graph, is_training) for is_training in (True, False)),
        values=measure(graph).elements,
        wide=tuple(wide.values()),
    )


Seen = list[tuple[str, nn.Module, tuple[int, ...], tuple[int, ...]]]


def _seen(graph: Graph, is_training: bool) -> Seen:
    """Run on tensors without memory: each layer with weights, in order, with its shapes."""
    seen: Seen = []
    with torch.device("meta"), torch.no_grad():
        network = GraphNetwork(graph).train(is_training)
        for name, module in network.named_modules():
            if isinstance(module, (*CONVOLUTIONS, *TRANSPOSED, nn.Linear)):
                module.register_forward_hook(_noting(seen, name))
        network(torch.empty(MANY, *graph.inputs[0]))
    return seen


def _noting(seen: Seen, name: str):  # type: ignore[no-untyped-def]
    def note(module: nn.Module, given: tuple[torch.Tensor], gave: torch.Tensor) -> None:
        seen.append((name, module, tuple(given[0].shape), tuple(gave.shape)))

    return note


def _multiply_adds(graph: Graph, is_training: bool) -> int:
    """Count those of all products and convolutions, in layers or not, for one image."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"), torch.no_grad():
        network = GraphNetwork(graph).train(is_training)
        with FlopCounterMode(display=False) as counter:
            network(*(torch.empty(MANY, *shape) for shape in graph.inputs))
    return int(counter.get_total_flops()) // 2 // MANY


def _wide(graph: Graph, seen: Seen) -> list[Wide]:
    """Find layers near the pixels, of which one row takes in much of the image."""
    n_values = math.prod(graph.inputs[0])
    found = []
    for name, module, given, _ in seen[: NEAR + 1]:
        weight = module.weight
        assert isinstance(weight, torch.Tensor)
        fan_in = weight.numel() // weight.shape[0]
        is_fine = math.prod(given) >= MUCH * n_values
        if is_fine and _reach(module, given) >= MUCH and fan_in >= MUCH * n_values:
            found.append(Wide(name, min(1.0, fan_in / n_values)))
    return found


def _reach(module: nn.Module, given: tuple[int, ...]) -> float:
    """Say which part of what it is given one row of a layer sees."""
    if isinstance(module, nn.Linear):
        return given[-1] / math.prod(given[1:])
    kernel = module.kernel_size
    assert isinstance(kernel, tuple)
    return math.prod(kernel) / math.prod(given[2:])
