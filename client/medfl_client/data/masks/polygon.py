"""Polygons to pixels: the even-odd rule, all edges of a polygon at once."""

import numpy as np
from numpy.typing import NDArray

from medfl_common.errors import DataError

Mask = NDArray[np.bool_]
MAX_CROSSINGS = 20_000_000  # of one polygon with rows: more is no contour


def toggle(mask: Mask, points: NDArray[np.float64]) -> None:
    """Turn over the pixels of (H, W) whose centres a closed polygon holds.

    A centre on the outline counts where it begins, not where it ends, along rows and columns: two
    polygons that touch share no pixel.

    Args:
        mask: Changed in place.
        points: (N, 2) row and column in pixels; centres are at whole numbers.
    """
    height, width = mask.shape
    y, x = points[:, 0], points[:, 1]
    rows, columns = _crossings(y, x, np.roll(y, -1), np.roll(x, -1), height)
    if not len(rows):
        return
    order = np.lexsort((columns, rows))
    rows, columns = rows[order], columns[order]
    # a row is crossed an even number of times: inside from the first to the second, and so on
    first = np.clip(np.ceil(columns[::2]), 0, width).astype(np.int64)
    behind = np.clip(np.ceil(columns[1::2]), 0, width).astype(np.int64)
    rows, behind = rows[::2], np.maximum(first, behind)
    top, bottom = int(rows.min()), int(rows.max()) + 1
    left, right = int(first.min()), int(behind.max())
    if right <= left:
        return
    change = np.zeros((bottom - top, right - left + 1), dtype=np.int32)
    np.add.at(change, (rows - top, first - left), 1)
    np.add.at(change, (rows - top, behind - left), -1)
    mask[top:bottom, left:right] ^= np.cumsum(change, axis=1)[:, :-1] > 0


def _crossings(
    y: NDArray[np.float64],
    x: NDArray[np.float64],
    y_next: NDArray[np.float64],
    x_next: NDArray[np.float64],
    height: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Give (row, column) of each crossing of an edge with a row of the image.

    An edge holds its lower end and not its upper one, so a corner counts once.
    """
    low = np.clip(np.ceil(np.minimum(y, y_next)), 0, height).astype(np.int64)
    high = np.clip(np.ceil(np.maximum(y, y_next)), 0, height).astype(np.int64)
    n = high - low
    if n.sum() > MAX_CROSSINGS:
        raise DataError(f"a contour crosses the image's rows more than {MAX_CROSSINGS} times")
    edge = np.repeat(np.arange(len(y)), n)
    rows = np.arange(len(edge)) - np.repeat(np.cumsum(n) - n, n) + low[edge]
    rise = (y_next - y)[edge]
    return rows, x[edge] + (rows - y[edge]) * (x_next - x)[edge] / rise
