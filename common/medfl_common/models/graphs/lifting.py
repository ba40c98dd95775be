"""Nodes that a torch module stands for, so that what works on layers works on graphs.

A convolution whose kernel is `X.weight` and whose bias is `X.bias` becomes a torch.nn.Conv2d named
X, and so on. The module calls the same operator with the same arguments: the bits stay. Hooks,
per-patient gradients, Grad-CAM, FedBN and freezing see layers as in every other network.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from medfl_common.models.graphs.arguments import Ref, refs_in
from medfl_common.models.graphs.reading import Graph, Listing, Node, TensorFacts
from medfl_common.models.norms import GroupNorm

Given = tuple[object, ...]


@dataclass(frozen=True)
class Kind:
    """How an operator's arguments become a module.

    args: Its arguments after the values, with their defaults; `weight`, `bias` and the statistics
        stand at their own names.
    make: Takes the settings and the shape of the weight (None: there is none).
    """

    args: tuple[tuple[str, object], ...]
    make: Callable[[Mapping[str, object], tuple[int, ...] | None], nn.Module | None]


@dataclass(frozen=True)
class Lifted:
    """A module for one node of each listing."""

    name: str
    settings: tuple[tuple[str, object], ...]
    op: str
    at: int
    given: Ref


TENSORS = {
    "weight": "weight",
    "bias": "bias",
    "running_mean": "running_mean",
    "running_var": "running_var",
}


def _each(value: object, n: int) -> tuple[int, ...]:
    sides = tuple(int(v) for v in value) if isinstance(value, tuple) else (int(str(value)),)
    return sides * n if len(sides) == 1 else sides


def _convolution(kind: type[nn.Module], n: int) -> Kind:
    def make(s: Mapping[str, object], shape: tuple[int, ...] | None) -> nn.Module | None:
        if shape is None or len(shape) != n + 2:
            return None
        groups = int(str(s["groups"]))
        return kind(
            shape[1] * groups, shape[0], shape[2:], _each(s["stride"], n), _each(s["padding"], n),
            _each(s["dilation"], n), groups, bias=bool(s["has_bias"]), device="meta",
        )  # fmt: skip

    return Kind(
        (("weight", None), ("bias", None), ("stride", (1,)), ("padding", (0,)),
         ("dilation", (1,)), ("groups", 1)), make,
    )  # fmt: skip


def _transposed(kind: type[nn.Module], n: int) -> Kind:
    def make(s: Mapping[str, object], shape: tuple[int, ...] | None) -> nn.Module | None:
        if shape is None or len(shape) != n + 2:
            return None
        groups = int(str(s["groups"]))
        return kind(
            shape[0], shape[1] * groups, shape[2:], _each(s["stride"], n), _each(s["padding"], n),
            _each(s["output_padding"], n), groups, bool(s["has_bias"]), _each(s["dilation"], n),
            device="meta",
        )  # fmt: skip

    return Kind(
        (("weight", None), ("bias", None), ("stride", (1,)), ("padding", (0,)),
         ("output_padding", (0,)), ("groups", 1), ("dilation", (1,))), make,
    )  # fmt: skip


def _linear(s: Mapping[str, object], shape: tuple[int, ...] | None) -> nn.Module | None:
    if shape is None or len(shape) != 2:
        return None
    return nn.Linear(shape[1], shape[0], bias=bool(s["has_bias"]), device="meta")


def _group_norm(s: Mapping[str, object], shape: tuple[int, ...] | None) -> nn.Module | None:
    if shape is None or not s["has_bias"]:
        return None
    return AnyGroupNorm(int(str(s["groups"])), shape[0], float(str(s["eps"])), device="meta")


def _layer_norm(s: Mapping[str, object], shape: tuple[int, ...] | None) -> nn.Module | None:
    if shape is None or shape != s["shape"]:
        return None
    return nn.LayerNorm([*shape], float(str(s["eps"])), bias=bool(s["has_bias"]), device="meta")


def _batch_norm(s: Mapping[str, object], shape: tuple[int, ...] | None) -> nn.Module | None:
    if shape is None or not s["has_bias"]:
        return None
    return AnyBatchNorm(shape[0], float(str(s["eps"])), float(str(s["momentum"])), device="meta")


def _instance_norm(s: Mapping[str, object], shape: tuple[int, ...] | None) -> nn.Module | None:
    if shape is None or not s["has_bias"] or s["use_input_stats"] is not True:
        return None
    return AnyInstanceNorm(
        shape[0], float(str(s["eps"])), float(str(s["momentum"])), affine=True, device="meta"
    )


class AnyGroupNorm(GroupNorm):
    """A group norm that leaves rows in rows, and is fast where channels come last."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Normalise (B, C, ...)."""
        if values.is_contiguous():
            return nn.GroupNorm.forward(self, values)
        return super().forward(values)


class AnyBatchNorm(nn.BatchNorm2d):
    """A batch norm over images, volumes or features: the operator is the same for all."""

    def _check_input_dim(self, input: torch.Tensor) -> None:
        return


class AnyInstanceNorm(nn.InstanceNorm2d):
    """An instance norm over images or volumes: the operator is the same for both."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Normalise (B, C, ...)."""
        normed: torch.Tensor = self._apply_instance_norm(input)  # type: ignore[no-untyped-call]
        return normed


NORM_REST = (("momentum", 0.1), ("eps", 1e-5), ("cudnn", False))
KINDS: dict[str, Kind] = {
    "aten.conv1d.default": _convolution(nn.Conv1d, 1),
    "aten.conv2d.default": _convolution(nn.Conv2d, 2),
    "aten.conv3d.default": _convolution(nn.Conv3d, 3),
    "aten.conv_transpose2d.input": _transposed(nn.ConvTranspose2d, 2),
    "aten.conv_transpose3d.input": _transposed(nn.ConvTranspose3d, 3),
    "aten.linear.default": Kind((("weight", None), ("bias", None)), _linear),
    "aten.group_norm.default": Kind(
        (("groups", 1), ("weight", None), ("bias", None), ("eps", 1e-5), ("cudnn", True)),
        _group_norm,
    ),
    "aten.layer_norm.default": Kind(
        (("shape", ()), ("weight", None), ("bias", None), ("eps", 1e-5), ("cudnn", True)),
        _layer_norm,
    ),
    "aten.batch_norm.default": Kind(
        (("weight", None), ("bias", None), ("running_mean", None), ("running_var", None),
         ("training", False), *NORM_REST), _batch_norm,
    ),
    "aten.instance_norm.default": Kind(
        (("weight", None), ("bias", None), ("running_mean", None), ("running_var", None),
         ("use_input_stats", True), *NORM_REST), _instance_norm,
    ),
}  # fmt: skip


def lift(graph: Graph) -> dict[str, tuple[nn.Module, Lifted, Lifted]]:
    """Make a module for each node pair that one can stand for; on the meta device, by its name."""
    train, evaluation = _found(graph, graph.train, True), _found(graph, graph.eval, False)
    made, layers = {}, _layers(graph)
    for name, one in train.items():
        other = evaluation.get(name)
        if other is None or (one.op, one.settings) != (other.op, other.settings):
            continue
        module = _module(graph, one)
        if module is not None and _fits(module, layers.get(name, {})):
            made[name] = (module, one, other)
    return made


def _module(graph: Graph, one: Lifted) -> nn.Module | None:
    """Make a module; None where its settings are none of one: then the operator itself says why."""
    weight = graph.tensors.get(f"{one.name}.weight")
    try:
        return KINDS[one.op].make(dict(one.settings), None if weight is None else weight.shape)
    except Exception:  # each kind of layer has its own ways to refuse numbers
        return None


def _layers(graph: Graph) -> dict[str, dict[str, TensorFacts]]:
    """Group tensors by what their names begin with; none where a name goes on below another."""
    found: dict[str, dict[str, TensorFacts]] = {}
    above: set[str] = set()
    for name, facts in graph.tensors.items():
        layer, _, leaf = name.rpartition(".")
        found.setdefault(layer, {})[leaf] = facts
        above |= {layer[:k] for k, letter in enumerate(layer) if letter == "."}
    return {layer: own for layer, own in found.items() if layer and layer not in above}


def _fits(module: nn.Module, own: Mapping[str, TensorFacts]) -> bool:
    """Say whether a module has just these tensors, each of its kind and shape."""
    parameters = {key: ("parameter", tuple(t.shape)) for key, t in module.named_parameters()}
    buffers = {
        key: ("statistic", tuple(t.shape))
        for key, t in module.named_buffers()
        if key != "num_batches_tracked"
    }
    return parameters | buffers == {key: (t.kind, t.shape) for key, t in own.items()}


def _found(graph: Graph, listing: Listing, training: bool) -> dict[str, Lifted]:
    """List what could be lifted: nodes whose tensors have one name and no other use."""
    uses: dict[str, int] = {}
    for node in listing.nodes:
        for ref in refs_in((node.args, tuple(v for _, v in node.kw))):
            if name := listing.nodes[ref].tensor:
                uses[name] = uses.get(name, 0) + 1
    found: dict[str, Lifted] = {}
    for i, node in enumerate(listing.nodes):
        one = _candidate(listing, node, i, training)
        own = [f"{one.name}.{key}" for key in TENSORS] if one is not None else []
        if one is not None and all(uses.get(key, 1) == 1 for key in own):
            found[one.name] = one
    return found


def _candidate(listing: Listing, node: Node, at: int, training: bool) -> Lifted | None:
    kind = KINDS.get(node.op)
    if kind is None or node.kw or not node.args or not isinstance(node.args[0], Ref):
        return None
    rest = node.args[1:]
    if len(rest) > len(kind.args) or listing.nodes[node.args[0]].tensor:
        return None
    given = {key: rest[k] if k < len(rest) else usual for k, (key, usual) in enumerate(kind.args)}
    names = {}
    for key in TENSORS:
        value = given.pop(key, None)
        if value is not None:
            name = listing.nodes[value].tensor if isinstance(value, Ref) else ""
            if not name.endswith(f".{key}"):
                return None
            names[key] = name[: -len(key) - 1]
    if len({*names.values()}) != 1 or "weight" not in names:
        return None
    if given.pop("training", training) is not training:
        return None
    given.pop("cudnn", None)
    given["has_bias"] = "bias" in names
    if any(True for _ in refs_in(tuple(given.values()))):
        return None
    return Lifted(names["weight"], tuple(given.items()), node.op, at, node.args[0])
