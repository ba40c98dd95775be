"""What an author writes in words that a graph has not, said in those that it has; the bits stay."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.fx import Node as Step
from torch.overrides import TorchFunctionMode

EMPTY_LIKE_IT = "aten.new_empty.default"  # (values, size)
EMPTY = "aten.empty.memory_format"  # (size)


class PlainProducts(TorchFunctionMode):
    """Makes torch.einsum of two tensors what ATen makes of it: one product of matrices."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch's, or the product in place of einsum."""
        if function is torch.functional.einsum and len(args) == 3 and isinstance(args[0], str):
            found = product(args[0], args[1], args[2])
            if found is not None:
                return found
        return function(*args, **(kwargs or {}))


def product(equation: str, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor | None:
    """Compute an einsum of two tensors as one batched product of matrices; None: it is none."""
    given, _, out = equation.replace(" ", "").partition("->")
    a, _, b = given.partition(",")
    plain = all(axes.isalpha() and len({*axes}) == len(axes) for axes in (a, b, out))
    if not plain or len(a) != left.dim() or len(b) != right.dim():
        return None
    both = [axis for axis in out if axis in a and axis in b]
    summed = [axis for axis in a if axis in b and axis not in out]
    rows = [axis for axis in out if axis not in b]
    columns = [axis for axis in out if axis not in a]
    if not rows or not columns:
        return None
    if {*a} != {*both, *rows, *summed} or {*b} != {*both, *summed, *columns}:
        return None
    size = {**dict(zip(b, right.shape, strict=True)), **dict(zip(a, left.shape, strict=True))}

    def flat(values: torch.Tensor, axes: str, *groups: list[str]) -> torch.Tensor:
        order = [axes.index(axis) for group in groups for axis in group]
        return values.permute(order).reshape([_all(size, group) for group in groups])

    made = torch.bmm(flat(left, a, both, rows, summed), flat(right, b, both, summed, columns))
    axes = [*both, *rows, *columns]
    return made.view([size[axis] for axis in axes]).permute([axes.index(axis) for axis in out])


def _all(size: Mapping[str, Any], group: Sequence[str]) -> Any:
    return math.prod(size[axis] for axis in group)


def renamed(step: Step) -> tuple[str, tuple[Any, ...]]:
    """Give the operator and arguments by which a graph says a step."""
    name = str(step.target)
    if name == EMPTY_LIKE_IT:
        return EMPTY, step.args[1:]
    return name, step.args
