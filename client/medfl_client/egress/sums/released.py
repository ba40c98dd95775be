"""What may leave of a plan with secure sums: masked numbers, or an answer to a small trip."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from medfl_common.wire.digest import MASKED, PART
from medfl_common.wire.pooled import PooledLayout
from medfl_common.wire.results import TrainResult
from medfl_common.wire.secure_sum import (
    BESIDE,
    KINDS,
    SEALED,
    ZERO,
    SumOrder,
    n_part_bytes,
)
from medfl_common.wire.tasks import TrainTask
from medfl_common.wire.tensors import Shapes

Mask = Callable[[TrainResult], NDArray[np.uint32]]  # a result -> (P,) masked numbers


def only_masked(result: TrainResult, mask: Mask) -> TrainResult:
    """Mask all that a result says of the data; what stays open says which task it answers."""
    return TrainResult(
        plan=result.plan,
        round=result.round,
        nonce=result.nonce,
        seconds=result.seconds,
        versions=result.versions,
        device=result.device,
        masked=mask(result),
    )


def without_masks(task: TrainTask, shapes: Shapes) -> tuple[TrainTask, Mask | None]:
    """Give a task and its mask for a trial that sends nothing: the numbers, and no mask on them."""
    if task.plan.privacy.secure_sum is None:
        return task, None
    layout = PooledLayout(task.plan, task.kind, shapes, 2)
    return replace(task, sum=SumOrder(1, 1, 1, "")), layout.encode


def expected_of(task: TrainTask, shapes: Shapes) -> dict[str, tuple[str, int]]:
    """Give the one record that a reply may have besides numbers, with its type and length."""
    order, sums = task.sum, task.plan.privacy.secure_sum
    if order is None or sums is None:
        return {}
    if task.kind not in KINDS:
        return {MASKED: ("uint32", PooledLayout(task.plan, task.kind, shapes, 2).length)}
    n_others = len(order.sealed) // SEALED
    n_cohort = n_others + 1 if task.kind == "open" else len(order.cohort)
    return {PART: ("uint8", n_part_bytes(task.kind, n_cohort, order.last - order.first + 1))}


def why_not_only_masked(names: set[str], numbers: Mapping[str, object]) -> str:
    """Say what of a reply stands open that should be masked; empty: nothing."""
    if "update" in names:
        return "an update that is not masked, under a plan with secure sums"
    if told := set(numbers) - BESIDE - ZERO:
        return f"{min(told)} that is not masked, under a plan with secure sums"
    open_ = sorted(name for name in ZERO & set(numbers) if numbers[name] != 0)
    return f"{open_[0]} that is not masked, under a plan with secure sums" if open_ else ""
