"""What a network outlined, from the plan's grid back to the image's own."""

import numpy as np
from numpy.typing import NDArray

from medfl_client.data.dicom.geometry import Array, centred, resize
from medfl_client.data.dicom.layout import placed, resize_in_plane, unplaced
from medfl_client.data.dicom.pixels import in_plane_scale
from medfl_client.data.masks.grid import Grid, Labels
from medfl_common.plan.images import Images

Shares = NDArray[np.floating]


def from_plan(shares: Shares, grid: Grid, images: Images) -> Labels:
    """Take shares of classes to the image's voxels, the way of Grid.to_plan back: (D, H, W).

    Each class's share goes back alone, linearly, and the largest counts: a draw goes to the lower
    class. What the plan's grid does not reach is background, 0.

    Args:
        shares: (K, [D',] S, S) in 0..1; their sum at a place is 1.
        grid: The image's own.
        images: The plan's.
    """
    best = np.zeros(grid.shape, dtype=np.float32)
    result = np.zeros(grid.shape, dtype=np.uint8)
    sides = _sides(grid, images)
    for label, share in enumerate(shares):
        outside = np.float32(label == 0)
        whole = centred(np.asarray(share, dtype=np.float32) - outside, sides) + outside
        slices = whole[None] if grid.layout is None else unplaced(whole, grid.layout, images)
        for place, one in enumerate(slices):
            found = resize(one, grid.shape[1:])
            is_more = found > best[place]
            result[place][is_more] = label
            np.maximum(best[place], found, out=best[place])
    return result


def part_seen(grid: Grid, images: Images) -> float:
    """Give the part of the image that the plan's grid reaches, 0..1."""
    sides = _sides(grid, images)
    held = images.held(sides)
    return float(np.prod([min(n, m) / n for n, m in zip(sides, held, strict=True)]))


def _sides(grid: Grid, images: Images) -> tuple[int, ...]:
    """Give the sides of the whole image at the plan's spacing, before it is cropped or padded."""
    if grid.layout is None:
        down, across = in_plane_scale(grid.facts, grid.shape[1:], images)
        height, width = grid.shape[1:]
        return max(1, round(height * down)), max(1, round(width * across))
    nothing: Array = np.zeros(grid.shape[1:], dtype=np.float32)
    empty = resize_in_plane(nothing, grid.facts, images)
    whole = np.broadcast_to(empty, (grid.shape[0], *empty.shape))
    return placed(whole, grid.layout, images, outside=0).shape
