"""The tensors that a graph names: parameters, statistics, constants."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch.export import ExportedProgram

from medfl_common.errors import ConfigError
from medfl_sim.graphs.nodes import DTYPES, Json, real, sources

STATISTICS = {"aten.batch_norm.default": (3, 4), "aten.instance_norm.default": (3, 4)}
MOST_VALUES = 1_000_000  # of constants, which the file says as text


@dataclass(frozen=True)
class Tensors:
    """What is said of each tensor in the file, and the weights that go beside it."""

    said: dict[str, dict[str, Json]]
    weights: dict[str, torch.Tensor]


def tensors(names: Mapping[str, torch.Tensor], trained: set[str], statistics: set[str]) -> Tensors:
    """Say each tensor: a trained one and a statistic by its shape, a constant by its values too.

    Raises ConfigError for a type that a graph has not, and for constants of too many values.
    """
    said: dict[str, dict[str, Json]] = {}
    weights: dict[str, torch.Tensor] = {}
    constants = 0
    for name, tensor in names.items():
        shape = list(tensor.shape)
        if name in trained or name in statistics:
            if tensor.dtype != torch.float32:
                raise ConfigError(
                    f"{name} is {_kind(tensor)}, and the weights of a graph are float32",
                    todo="call .float() on the network",
                )
            said[name] = {"kind": "parameter" if name in trained else "statistic", "shape": shape}
            weights[name] = tensor.detach().clone().contiguous()
        else:
            constants += tensor.numel()
            said[name] = {"kind": "constant", "shape": shape, **_values(name, tensor, constants)}
    return Tensors(said, weights)


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
    flat = tensor.detach().flatten().tolist()
    values = [real(one) if isinstance(one, float) else one for one in flat]
    return {"dtype": DTYPES[tensor.dtype], "values": values}


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
