"""A program of torch.export as the nodes of a graph."""

import math
import operator
from collections.abc import Callable, Collection, Mapping

import torch
from torch.export import ExportedProgram
from torch.fx import Node as Step

from medfl_common.errors import ConfigError
from medfl_sim.graphs.rewriting import renamed

Json = object
INTEGERS: dict[object, str] = {
    operator.getitem: "item",
    operator.add: "sym.add",
    operator.sub: "sym.sub",
    operator.mul: "sym.mul",
    operator.floordiv: "sym.floordiv",
}
PLACED = ("device", "layout", "pin_memory")  # the hospital's own choice
DTYPES = {torch.float32: "float32", torch.int64: "int64", torch.bool: "bool"}
FORMATS = {
    torch.contiguous_format: "contiguous",
    torch.preserve_format: "preserve",
    torch.channels_last: "channels_last",
    torch.channels_last_3d: "channels_last_3d",
}


def sources(program: ExportedProgram) -> dict[str, str]:
    """Return the tensor's name of each placeholder that is one."""
    signature = program.graph_signature
    return {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }


def answer(program: ExportedProgram) -> Step:
    """Return the one tensor that a program gives."""
    given = program.graph.output_node().args[0]
    kinds = [spec.kind.name for spec in program.graph_signature.output_specs]
    assert isinstance(given, tuple | list)
    mine = [o for o, kind in zip(given, kinds, strict=True) if kind == "USER_OUTPUT"]
    spec = program.call_spec.out_spec
    if len(mine) == 1 and spec is not None and not spec.is_leaf():
        raise ConfigError(
            "the network gives its tensor inside a dict or a tuple, and a graph gives it bare",
            todo="let forward return the tensor itself",
        )
    if len(mine) != 1 or not isinstance(mine[0], Step):
        raise ConfigError(
            f"the network gives {len(mine)} tensors, and a graph gives one",
            todo="let forward return one tensor: no deep supervision, no auxiliary output",
        )
    return mine[0]


def listed(
    program: ExportedProgram, last: Step, fixed: Mapping[Step, str]
) -> tuple[list[dict[str, Json]], int]:
    """List the nodes that `last` needs, and give its own number.

    Checks of torch's, counters of batches and what nothing reads are not needed, so they go.

    Args:
        program: Of torch.export.
        last: The step whose value the graph gives.
        fixed: The constant that stands in place of each of these steps.
    """
    named, numbers = sources(program), dict[Step, int]()
    inputs = [s for s in program.graph.nodes if s.op == "placeholder" and s.name not in named]
    nodes: list[dict[str, Json]] = []
    for step in needed(program, last, fixed):
        if step in fixed:
            node: dict[str, Json] = {"tensor": fixed[step]}
        elif step.op == "placeholder":
            is_input = step in inputs
            node = {"input": inputs.index(step)} if is_input else {"tensor": named[step.name]}
        else:
            node = _called(step, numbers)
        numbers[step] = len(nodes)
        nodes.append(node)
    return nodes, numbers[last]


def needed(program: ExportedProgram, last: Step, fixed: Collection[Step] = ()) -> list[Step]:
    """Return the steps that the value of `last` depends on, those that write in place too."""
    steps = [*program.graph.nodes]
    before = steps[: steps.index(last) + 1]
    wanted = {last}
    while True:
        for step in reversed(before):
            if step in wanted and step not in fixed:
                wanted.update(step.all_input_nodes)
        more = {s for s in before if s not in wanted and writes(s) and written(s) & wanted}
        more = {s for s in more if not written(s) & set(fixed)}
        if not more:
            return [step for step in before if step in wanted]
        wanted |= more


def operator_name(step: Step) -> str:
    """Name a step's operator as a graph does."""
    return INTEGERS.get(step.target) or renamed(step)[0]


def writes(step: Step) -> bool:
    """Say whether a step writes on what it is given."""
    schema = getattr(step.target, "_schema", None)
    return step.op == "call_function" and schema is not None and schema.is_mutable


def written(step: Step) -> set[Step]:
    """Return what a step may write on: its first value, and what that may be a view of."""
    found, at = set[Step](), step.args[0]
    while isinstance(at, Step):
        found.add(at)
        at = at.args[0] if at.op == "call_function" and at.args else None
    return found


def _called(step: Step, numbers: dict[Step, int]) -> dict[str, Json]:
    _, args = renamed(step)
    node: dict[str, Json] = {
        "op": operator_name(step),
        "args": [argument(one, numbers.__getitem__) for one in args],
    }
    named = {k: argument(v, numbers.__getitem__) for k, v in step.kwargs.items() if k not in PLACED}
    return {**node, "kw": named} if named else node


def argument(value: object, number: Callable[[Step], int]) -> Json:
    """Say one argument in JSON."""
    if isinstance(value, Step):
        return {"node": number(value)}
    if isinstance(value, list | tuple):
        return [argument(one, number) for one in value]
    if isinstance(value, torch.dtype):
        return {"dtype": DTYPES.get(value, str(value).removeprefix("torch."))}
    if isinstance(value, torch.memory_format):
        return {"format": FORMATS[value]}
    if isinstance(value, torch.device | torch.layout):
        return None
    if isinstance(value, float):
        return _real(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    raise ConfigError(
        f"the network gives an operator {str(value)[:40]!r}, which a graph cannot say",
        todo="use tensors, numbers and lists of numbers",
    )


def _real(value: float) -> Json:
    """Say a float in JSON, which knows no infinity."""
    return value if math.isfinite(value) else {"number": str(value)}
