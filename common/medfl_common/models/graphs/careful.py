"""Operators that numbers could bring down, so that no pixel and no size does.

An index beyond its range may end a GPU's process, and tells a bit of a pixel to who sees the step
end: here it is the last one in range. What is within its range gives the same bits.
"""

from collections.abc import Callable
from typing import Any

import torch

MOST_PARTS = 4096  # that one operator cuts a tensor into
IGNORED = -100  # ATen's class that counts for no loss
Run = Callable[..., Any]


class PartsError(ValueError):
    """An operator cuts into too many parts, or has a kind of number that it must not."""


def careful(name: str, run: Run) -> Run:
    """Give an operator that minds its numbers; most need not."""
    wrap = _WRAPS.get(name)
    return run if wrap is None else wrap(run)


def _within(index: torch.Tensor, n: int, least: int = 0) -> torch.Tensor:
    return index.clamp(least, n - 1)


def _side(values: torch.Tensor, axis: int) -> int:
    return values.shape[axis] if values.dim() else 1


def _along(run: Run) -> Run:
    def chosen(values: torch.Tensor, axis: int, index: torch.Tensor) -> torch.Tensor:
        given: torch.Tensor = run(values, axis, _within(index, _side(values, axis)))
        return given

    return chosen


def _indexed(run: Run) -> Run:
    def chosen(values: torch.Tensor, indices: list[torch.Tensor | None]) -> torch.Tensor:
        if any(one is not None and one.dtype != torch.int64 for one in indices):
            raise PartsError("an index of truths gives as many values as there are truths")
        found = [
            None if one is None else _within(one, values.shape[k], -values.shape[k])
            for k, one in enumerate(indices)
        ]
        given: torch.Tensor = run(values, found)
        return given

    return chosen


def _one_hot(run: Run) -> Run:
    def coded(values: torch.Tensor, n: int) -> torch.Tensor:
        given: torch.Tensor = run(_within(values, n), n)
        return given

    return coded


def _loss_of_classes(run: Run) -> Run:
    def lost(values: torch.Tensor, target: torch.Tensor, *rest: Any) -> torch.Tensor:
        if not target.is_floating_point():
            ignored = rest[2] if len(rest) > 2 else IGNORED
            n = values.shape[1] if values.dim() > 1 else _side(values, 0)
            target = torch.where(target == ignored, target, _within(target, n))
        given: torch.Tensor = run(values, target, *rest)
        return given

    return lost


def _cut(count: Callable[..., int]) -> Callable[[Run], Run]:
    def wrap(run: Run) -> Run:
        def cut(values: torch.Tensor, *rest: Any) -> Any:
            if count(values, *rest) > MOST_PARTS:
                raise PartsError(f"more than {MOST_PARTS} parts")
            return run(values, *rest)

        return cut

    return wrap


def _of_reals(run: Run) -> Run:
    def divided(a: torch.Tensor, b: torch.Tensor, **more: Any) -> torch.Tensor:
        if not (a.is_floating_point() or b.is_floating_point()):
            raise PartsError("whole numbers divided by 0 end the process")
        given: torch.Tensor = run(a, b, **more)
        return given

    return divided


_WRAPS: dict[str, Callable[[Run], Run]] = {
    "gather.default": _along,
    "index_select.default": _along,
    "index.Tensor": _indexed,
    "one_hot.default": _one_hot,
    "nll_loss.default": _loss_of_classes,
    "nll_loss_nd.default": _loss_of_classes,
    "cross_entropy_loss.default": _loss_of_classes,
    "unbind.int": _cut(lambda values, axis=0: _side(values, axis)),
    "split.Tensor": _cut(lambda values, size, axis=0: _side(values, axis) // max(1, size)),
    "chunk.default": _cut(lambda values, n, axis=0: min(n, _side(values, axis))),
    "div.Tensor_mode": _of_reals,
}
