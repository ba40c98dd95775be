"""The tensors that a graph names: parameters, statistics, constants."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.export import ExportedProgram

from medfl_common.errors import ConfigError
from medfl_sim.graphs.nodes import DTYPES, Json, sources

STATISTICS = {"aten.batch_norm.default": (3, 4), "aten.instance_norm.default": (3, 4)}
NOT_PLAIN = re.compile(r"[^A-Za-z0-9]+")  # `_` twice too
TAKEN = {*dir(nn.Module()), "statistics", "watched"}  # by the network that a hospital builds
MOST_VALUES = 1_000_000  # of constants, which the file says as text


def plain_names(names: Iterable[str]) -> dict[str, str]:
    """Give each tensor a name that a graph may have: letters, digits, `_`, and no method's."""
    found: dict[str, str] = {}
    for name in names:
        parts = [NOT_PLAIN.sub("_", part) for part in name.split(".")]
        plain = ".".join(f"{part}_own" if part in TAKEN else part for part in parts)
        while plain in found.values():
            plain += "_more"
        found[name] = plain
    return found


@dataclass(frozen=True)
class Tensors:
    """What is said of each tensor in the file, and the weights that go beside it."""

    said: dict[str, dict[str, Json]]
    weights: dict[str, torch.Tensor]
    names: Mapping[str, str]


def tensors(
    given: Mapping[str, torch.Tensor],
    names: Mapping[str, str],
    trained: Collection[str],
    statistics: Collection[str],
) -> Tensors:
    """Say each tensor: a trained one and a statistic by its shape, a constant by its values too.

    Args:
        given: By their names in the module.
        names: Those in the graph.
        trained: What has a gradient.
        statistics: What batch norms write.

    Raises ConfigError for a type that a graph has not, and for constants of too many values.
    """
    said: dict[str, dict[str, Json]] = {}
    weights: dict[str, torch.Tensor] = {}
    n_constants = 0
    for name, tensor in given.items():
        facts: dict[str, Json] = {"shape": [*tensor.shape]}
        if name in trained or name in statistics:
            facts["kind"] = "parameter" if name in trained else "statistic"
            weights[names[name]] = _float32(name, tensor)
        else:
            n_constants += tensor.numel()
            facts |= {"kind": "constant", **_values(name, tensor, n_constants)}
        said[names[name]] = facts
    return Tensors(said, weights, names)


def _float32(name: str, tensor: torch.Tensor) -> torch.Tensor:
    if tensor.dtype != torch.float32:
        raise ConfigError(
            f"{name} is {_kind(tensor)}, and the weights of a graph are float32",
            todo="call .float() on the network",
        )
    return tensor.detach().clone().contiguous()


def _values(name: str, tensor: torch.Tensor, so_far: int) -> dict[str, Json]:
    if so_far > MOST_VALUES:
        raise ConfigError(
            f"the tensors that do not train have more than {MOST_VALUES:,} values, {name} among "
            "them, and a graph says each as text",
            todo="let the weights train (requires_grad); the plan's model.freeze freezes them",
        )
    if tensor.dtype not in DTYPES:
        raise ConfigError(
            f"{name} is {_kind(tensor)}; a graph's constants are float32, int64 or bool",
            todo="convert the tensor in the network",
        )
    if tensor.is_floating_point() and not tensor.isfinite().all():
        raise ConfigError(
            f"{name} holds an infinity or no number, and a graph's constants are numbers",
            todo="put a large number such as -10000 in its place",
        )
    return {"dtype": DTYPES[tensor.dtype], "values": tensor.detach().flatten().tolist()}


def statistics_of(program: ExportedProgram) -> set[str]:
    """Name the running means and variances: what a batch norm writes."""
    named = sources(program)
    found = set[str]()
    for step in program.graph.nodes:
        for at in STATISTICS.get(str(step.target), ()):
            given = step.args[at]
            if given is not None:
                found.add(named.get(getattr(given, "name", ""), ""))
    return found - {""}


def trained_by(program: ExportedProgram) -> set[str]:
    """Name the parameters that have a gradient."""
    parameters = program.graph_signature.parameters
    return {name for name in parameters if program.state_dict[name].requires_grad}


def _kind(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
