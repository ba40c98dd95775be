"""A module as data: two programs of tensor operators, the tensors that they name, its weights."""

import copy
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn
from torch.fx import Node as Step

from medfl_common.errors import ConfigError
from medfl_sim.graphs.allowed import refuse_others
from medfl_sim.graphs.export import Seen, seen
from medfl_sim.graphs.fold import folded
from medfl_sim.graphs.head import Head, head_of
from medfl_sim.graphs.nodes import Json, answer, listed, needed, sources
from medfl_sim.graphs.norms import replace_norms
from medfl_sim.graphs.tensors import plain_names, statistics_of, tensors, trained_by

VERSION = 1
MODES = ("train", "eval")
CUT = ("features", "maps")


class Described(NamedTuple):
    """A graph's file and its weights, named as in a Network."""

    data: bytes
    weights: dict[str, torch.Tensor]


@dataclass(frozen=True)
class _Program:
    """One mode's nodes and the number of the last; its tensors by their names in the module."""

    nodes: list[dict[str, Json]]
    output: int
    tensors: dict[str, torch.Tensor]

    def said(self, names: Mapping[str, str]) -> dict[str, Json]:
        """Say it in JSON, with the names that a graph may have."""
        nodes = [
            {"tensor": names[str(node["tensor"])]} if "tensor" in node else node
            for node in self.nodes
        ]
        return {"nodes": nodes, "output": self.output}


def describe(
    module: nn.Module,
    shape: Sequence[int],
    gives: str = "",
    norm: str = "group",
    more: Sequence[Sequence[int]] = (),
) -> Described:
    """Describe a module as a graph, and leave the module itself as it is.

    Args:
        module: (B, *shape) float32 -> (B, n_outputs), or (B, n_outputs, [D,] H, W).
        shape: Of one image: channels, [depth,] height, width.
        gives: `logits` keeps the module whole; `loss` and `image` are no networks; empty: its last
            dense layer or 1x1 convolution is cut off, where it ends with one.
        norm: `group` replaces batch norms; `batch` keeps them, and their statistics at each site.
        more: Shapes of further inputs, as a loss has.

    Raises ConfigError where a graph cannot say what the module does.
    """
    module = copy.deepcopy(module).cpu()
    replace_norms(module, norm)
    shapes = [shape, *more]
    trains, evaluates = seen(module, shapes, True), seen(module, shapes, False)
    head = None if gives else head_of(trains.program)
    gives = gives or ("logits" if head is None else head.gives)
    trained = trained_by(trains.program)
    statistics = statistics_of(trains.program) | statistics_of(evaluates.program)
    follow = trained | statistics
    programs = [_said(one, head is not None, follow) for one in (trains, evaluates)]
    merged = _merged(programs)
    named = tensors(merged, plain_names(merged), trained, statistics)
    graph: dict[str, Json] = {
        "medfl_graph": VERSION,
        "torch": ".".join(torch.__version__.split(".")[:2]),
        "gives": gives,
        "inputs": [[*one] for one in shapes],
        "output": _output(trains, evaluates, head),
        "tensors": named.said,
        **{key: one.said(named.names) for key, one in zip(MODES, programs, strict=True)},
    }
    weights = {f"backbone.{name}": tensor for name, tensor in named.weights.items()}
    return Described(_bytes(graph), weights | _head_weights(head, trains))


def _said(one: Seen, is_cut: bool, follow: Collection[str]) -> _Program:
    """List a program's nodes, and the tensors that they name; `follow` are no constants."""
    last = _last(one, is_cut)
    steps, named = needed(one.program, last), sources(one.program)
    values = folded(steps, named, one.tensors, follow)
    refuse_others(s for s in needed(one.program, last, values) if s not in values)
    fixed = {step: f"fixed_{i}" for i, step in enumerate(values)}
    nodes, output = listed(one.program, last, fixed)
    known = {**one.tensors, **{fixed[step]: value for step, value in values.items()}}
    named_here = [str(node["tensor"]) for node in nodes if "tensor" in node]
    return _Program(nodes, output, {name: known[name] for name in named_here})


def _last(one: Seen, is_cut: bool) -> Step:
    if not is_cut:
        return answer(one.program)
    head = head_of(one.program)
    if head is None:
        raise ConfigError(
            "the network ends with its last layer in training, and with another step in evaluation",
            todo="let forward return the logits in both, or keep the network --whole",
        )
    return head.takes


def _merged(programs: Sequence[_Program]) -> dict[str, torch.Tensor]:
    """Join the tensors of both programs; a constant of the second that differs is renamed."""
    first, second = programs
    joined = dict(first.tensors)
    for name, tensor in second.tensors.items():
        if name not in joined or torch.equal(joined[name], tensor):
            joined[name] = tensor
            continue
        other = f"{name}_of_evaluation"
        joined[other] = tensor
        for node in second.nodes:
            if node.get("tensor") == name:
                node["tensor"] = other
    return joined


def _output(trains: Seen, evaluates: Seen, head: Head | None) -> list[int]:
    """Return the shape of what the graph gives for one image."""
    given, other = (answer(one.program).meta["val"] for one in (trains, evaluates))
    if given.shape[1:] != other.shape[1:]:
        raise ConfigError(
            f"the network gives {tuple(given.shape[1:])} for an image in training, and "
            f"{tuple(other.shape[1:])} in evaluation, as with deep supervision",
            todo="let it give the same in both, such as with deep_supervision=False",
        )
    value = given if head is None else head.takes.meta["val"]
    if value.dtype != torch.float32:
        raise ConfigError(f"the network gives {value.dtype}", todo="let it give float32")
    if not all(isinstance(side, int) for side in value.shape[1:]):
        raise ConfigError(
            "the network's output does not have one row for each image",
            todo="let forward return (B, outputs), or (B, outputs, [D,] H, W)",
        )
    return [int(side) for side in value.shape[1:]]


def _head_weights(head: Head | None, trains: Seen) -> dict[str, torch.Tensor]:
    if head is None:
        return {}
    weight = trains.tensors[head.weight].detach().clone()
    bias = torch.zeros(len(weight)) if head.bias is None else trains.tensors[head.bias]
    return {f"{head.place}.weight": weight, f"{head.place}.bias": bias.detach().clone()}


def _bytes(graph: dict[str, Json]) -> bytes:
    return json.dumps(graph, separators=(",", ":"), allow_nan=False).encode()
