"""The counts of masks and boxes in a result's numbers."""

from flwr.app import MetricRecord

from medfl_common.metrics.box_counts import BoxCounts
from medfl_common.metrics.box_numbers import (
    BOX_NAMES,
    EFFECTS,
    MOST_EFFECT,
    box_shapes,
    boxes_from_numbers,
    boxes_to_numbers,
)
from medfl_common.metrics.mask_counts import MaskCounts
from medfl_common.metrics.mask_numbers import EFFECTS as MASK_EFFECTS
from medfl_common.metrics.mask_numbers import (
    MOST_VOXELS,
    NAMES,
    VOXELS,
    from_numbers,
    shapes,
    to_numbers,
)
from medfl_common.plan.task import Task
from medfl_common.wire.read_numbers import MAX_COUNT, read_counts, read_integer, read_number

DENSE_NAMES = (*NAMES, MASK_EFFECTS, *BOX_NAMES)
MOST = {VOXELS: MOST_VOXELS, EFFECTS: MOST_EFFECT}  # of other lists: MAX_COUNT


def dense_numbers(counts: MaskCounts | BoxCounts) -> dict[str, int | float | list[int]]:
    """Write counts, with the number of images and the loss."""
    told = to_numbers(counts) if isinstance(counts, MaskCounts) else boxes_to_numbers(counts)
    return {"n_scored": counts.n, "loss": counts.loss, **told}


def read_masks(numbers: MetricRecord, task: Task) -> MaskCounts:
    """Read the counts of masks, or raise RunError."""
    told = {
        name: read_counts(numbers, name, shape, MOST.get(name, MAX_COUNT))
        for name, shape in shapes(len(task.foreground), MASK_EFFECTS in numbers).items()
    }
    return from_numbers(*_head(numbers), told)


def read_boxes(numbers: MetricRecord, task: Task) -> BoxCounts:
    """Read the counts of boxes, or raise RunError."""
    told = {
        name: read_counts(numbers, name, shape, MOST.get(name, MAX_COUNT))
        for name, shape in box_shapes(len(task.foreground)).items()
    }
    return boxes_from_numbers(*_head(numbers), told)


def _head(numbers: MetricRecord) -> tuple[int, float]:
    return read_integer(numbers, "n_scored"), float(read_number(numbers, "loss"))
