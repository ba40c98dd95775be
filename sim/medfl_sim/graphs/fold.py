"""What a program computes from fixed numbers alone, computed once at the author's desk."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch.fx import Node as Step
from torch.fx.node import map_arg

from medfl_sim.graphs.nodes import writes, written

FRESH = ("aten.new_zeros.default", "aten.new_ones.default", "aten.new_full.default")
UNSET = ("aten.empty.memory_format", "aten.empty_like.default")  # whatever the memory holds
LARGEST = 1_000_000  # values of one constant


def folded(
    steps: Sequence[Step],
    named: Mapping[str, str],
    tensors: Mapping[str, torch.Tensor],
    weights: Collection[str],
) -> dict[Step, torch.Tensor]:
    """Compute the steps that depend on constants alone, such as the masks of a shifted window.

    Args:
        steps: Of the program, in order.
        named: The tensor's name of each placeholder that is one.
        tensors: By name.
        weights: Names of those that train or follow the images; nothing is computed from them.

    Returns:
        The value of each step that is computed; empty where another step writes into one of them.
    """
    values: dict[Step, Any] = {}
    for step in steps:
        if step.op == "placeholder":
            name = named.get(step.name)
            if name is not None and name not in weights:
                values[step] = tensors[name].detach().clone()
        elif _is_fixed(step, values):
            values[step] = _computed(step, values)
    if any(writes(s) and s not in values and written(s) & values.keys() for s in steps):
        return {}
    tensors_only = {s: v for s, v in values.items() if isinstance(v, torch.Tensor)}
    return {s: v for s, v in tensors_only.items() if s.op != "placeholder" and _is_small(v)}


def _is_small(value: torch.Tensor) -> bool:
    return value.numel() <= LARGEST


def _is_fixed(step: Step, values: Mapping[Step, Any]) -> bool:
    target = step.target
    if not isinstance(target, torch._ops.OpOverload) or target.namespace != "aten":
        return False
    if torch.Tag.nondeterministic_seeded in target.tags or str(target) in UNSET:
        return False
    read = step.all_input_nodes
    if str(target) in FRESH:
        read = [one for one in read if one is not step.args[0]]
    return all(one in values for one in read) and _has_tensor(step)


def _has_tensor(step: Step) -> bool:
    return isinstance(step.meta.get("val"), torch.Tensor)


def _computed(step: Step, values: Mapping[Step, Any]) -> object:
    like = torch.zeros(())
    args = map_arg(step.args, lambda one: values.get(one, like))
    named = map_arg(step.kwargs, lambda one: values.get(one, like))
    here = {"device": "cpu"} if "device" in step.kwargs else {}
    assert callable(step.target)
    with torch.no_grad():
        return step.target(*args, **{**named, **here})
