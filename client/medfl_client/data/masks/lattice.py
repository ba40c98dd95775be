"""A mask on a grid of its own to the image's voxels: the nearest voxel counts."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfl_client.data.masks.grid import Plane, Points

Numbers = NDArray[np.generic]
NEAR = 0.05  # of a voxel: closer places are the same
FLAT = 0.01  # of a voxel over the whole image: an axis that does not change along a line


@dataclass(frozen=True)
class Way:
    """From the patient's millimetres to the places of a lattice: matrix @ point + offset."""

    matrix: Points  # (3, 3)
    offset: Points  # (3,)


def coordinates(way: Way, plane: Plane, shape: tuple[int, ...]) -> Iterator[list[Points]]:
    """Give, for each slice of the image, where its pixels lie along the 3 axes of a lattice.

    An array is (H, W), or has 1 in place of an axis along which it does not change.
    """
    n_down, n_across = shape[1:]
    down = way.matrix @ (plane.column * plane.spacing[0])
    across = way.matrix @ (plane.row * plane.spacing[1])
    rows, columns = np.arange(n_down)[:, None], np.arange(n_across)[None]
    for origin in plane.origins:
        first = way.matrix @ origin + way.offset
        found = []
        for axis in range(3):
            at = np.full((1, 1), first[axis])
            if abs(down[axis]) * n_down > FLAT:
                at = at + rows * down[axis]
            if abs(across[axis]) * n_across > FLAT:
                at = at + columns * across[axis]
            found.append(at)
        yield found


def nearest(at: Points) -> NDArray[np.int64]:
    """Give the nearest whole numbers; halves go up, all the same way."""
    return np.asarray(np.floor(at + 0.5 + 1e-4), dtype=np.int64)


def take(volume: Numbers, way: Way, plane: Plane, shape: tuple[int, ...]) -> tuple[Numbers, float]:
    """Look an image's voxels up in a volume: (D, H, W), 0 outside, and the part that is inside."""
    result = np.zeros(shape, dtype=volume.dtype)
    n_inside = 0
    for new, places in zip(result, coordinates(way, plane, shape), strict=True):
        index = [nearest(at) for at in places]
        inside = np.ones((1, 1), dtype=np.bool_)
        for at, n in zip(index, volume.shape, strict=True):
            inside = inside & (at >= 0) & (at < n)
        inside = np.broadcast_to(inside, new.shape)
        n_inside += int(inside.sum())
        held = [np.clip(at, 0, n - 1) for at, n in zip(index, volume.shape, strict=True)]
        new[...] = np.where(inside, volume[held[0], held[1], held[2]], 0)
    return result, n_inside / result.size


def worst_offset(way: Way, plane: Plane, shape: tuple[int, ...]) -> float:
    """Give how far the image's voxels lie from the lattice's at most, in its voxels."""
    ends = plane.origins[[0, -1]]
    down = plane.column * plane.spacing[0] * np.array([0, shape[1] - 1])[:, None]
    across = plane.row * plane.spacing[1] * np.array([0, shape[2] - 1])[:, None]
    corners = (ends[:, None, None] + down[None, :, None] + across[None, None]).reshape(-1, 3)
    at = corners @ way.matrix.T + way.offset
    return float(np.abs(at - np.round(at)).max())
