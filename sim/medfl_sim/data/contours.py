"""The borders of a mask as polygons along the edges of its pixels, so nothing is lost.

A place is (row, column) of a pixel's corner: pixel (0, 0) has the corners (0, 0) to (1, 1). Mask is
to the right of the way along a border; pixels that touch at a corner only are apart.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Place = tuple[int, int]
Loop = list[Place]
Holes = Literal["apart", "keyhole"]
Polygon = NDArray[np.float64]  # (P, 2) row and column, whole numbers at the centres of pixels


def contours_of(mask: NDArray[np.bool_], holes: Holes) -> list[Polygon]:
    """Outline a mask; filled by the even-odd rule at the centres of pixels it is the mask again.

    Args:
        mask: (H, W).
        holes: `apart`: the border of a hole is a polygon of its own. `keyhole`: a cut joins it to
            the outline around it, as planning systems write it.

    Returns:
        Closed polygons, the first point not repeated; none for an empty mask.
    """
    loops = trace(mask)
    if holes == "keyhole":
        loops = join_holes(loops)
    return [np.array(turns_of(loop), dtype=np.float64) - 0.5 for loop in loops]


def trace(mask: NDArray[np.bool_]) -> list[Loop]:
    """Follow each border through every corner of a pixel on it."""
    onward = _ways(np.pad(mask, 1))
    loops = []
    for start in sorted(onward):  # the first place of a border has one way on, never two
        if onward[start]:
            loops.append(_follow(onward, start))
    return loops


def _ways(padded: NDArray[np.bool_]) -> dict[Place, list[Place]]:
    """Give the steps along the border from each place."""
    inside = padded[1:-1, 1:-1]
    sides = (  # neighbour, its step along the common edge, where the step begins
        (padded[:-2, 1:-1], (0, 1), (0, 0)),
        (padded[1:-1, 2:], (1, 0), (0, 1)),
        (padded[2:, 1:-1], (0, -1), (1, 1)),
        (padded[1:-1, :-2], (-1, 0), (1, 0)),
    )
    onward: dict[Place, list[Place]] = {}
    for neighbour, step, (down, right) in sides:
        for row, column in np.argwhere(inside & ~neighbour).tolist():
            onward.setdefault((row + down, column + right), []).append(step)
    return onward


def _follow(onward: dict[Place, list[Place]], start: Place) -> Loop:
    """Walk one border, to the right where two meet, and take its steps away."""
    loop, place, step = [start], start, (0, 0)
    while True:
        steps = onward[place]
        right = (step[1], -step[0])
        step = steps.pop(steps.index(right) if right in steps else 0)
        place = (place[0] + step[0], place[1] + step[1])
        if place == start:
            return loop
        loop.append(place)


def is_hole(loop: Loop) -> bool:
    """Say whether a border goes around what is not mask."""
    pairs = zip(loop, loop[1:] + loop[:1], strict=True)
    return sum(a[1] * b[0] - b[1] * a[0] for a, b in pairs) < 0


def join_holes(loops: list[Loop]) -> list[Loop]:
    """Cut from the left end of each hole, along the edges of pixels, to the border left of it."""
    outer = [list(loop) for loop in loops if not is_hole(loop)]
    home = {place: loop for loop in outer for place in loop}
    starts = [(min((column, row) for row, column in loop), loop) for loop in loops if is_hole(loop)]
    for (column, row), hole in sorted(starts):  # what lies left of a hole is joined already
        cut = next((row, c) for c in range(column - 1, -1, -1) if (row, c) in home)
        around, first = home[cut], hole.index((row, column))
        at = around.index(cut) + 1
        around[at:at] = [*hole[first:], *hole[:first], (row, column), cut]
        home |= dict.fromkeys(hole, around)
    return outer


def turns_of(loop: Loop) -> Loop:
    """Leave out the places where a border goes straight on."""
    return [
        place
        for before, place, after in zip(loop[-1:] + loop[:-1], loop, loop[1:] + loop[:1],
                                        strict=True)
        if _way(before, place) != _way(place, after)
    ]  # fmt: skip


def _way(start: Place, end: Place) -> Place:
    return int(np.sign(end[0] - start[0])), int(np.sign(end[1] - start[1]))
