"""Arrays whose values are names: '1', '2' and so on; 0 is nothing. NIfTI, NRRD and PNG end here."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfl_client.data.masks.content import NO_PLACE, OUTSIDE_IMAGE, Mask, Notes, Structure
from medfl_client.data.masks.grid import Grid, Points
from medfl_client.data.masks.lattice import NEAR, Way, take, worst_offset
from medfl_client.data.opened import open_file
from medfl_common.errors import DataError

MAX_BYTES = 2**30  # of a mask, unpacked
MAX_VALUES = 4096  # different ones: more is no mask
NO_NUMBERS = "the mask's values are negative, or no numbers"
Numbers = NDArray[np.generic]


def read_bytes(path: Path) -> bytes:
    """Read a file whole; raises DataError where it is larger than a mask is."""
    with open_file(path) as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise DataError(f"the mask has more than {MAX_BYTES // 2**20} MB")
    return content


def whole_numbers(values: Numbers) -> Numbers:
    """Turn values into uint16; raises DataError where they are no small whole numbers."""
    if values.dtype == np.bool_ or values.dtype == np.uint8:
        return values.astype(np.uint8)
    if values.dtype.kind not in "uif":
        raise DataError(f"the mask's values are {values.dtype}; whole numbers are needed")
    if values.dtype.kind == "f":
        return _rounded(values)
    _refuse_range(values)
    return values.astype(np.uint16)


def _rounded(values: Numbers) -> Numbers:
    """Round a part at a time, in the order of the memory: whole copies would be many."""
    parts: Numbers = values.T if values.flags.f_contiguous else values
    found = np.empty(parts.shape, dtype=np.uint16)
    for new, part in zip(found, parts, strict=True):
        if not np.isfinite(part).all():
            raise DataError(NO_NUMBERS)
        _refuse_range(part)
        new[...] = np.rint(part)
        if not np.allclose(part, new, 0, 1e-3):
            raise DataError("the mask's values are no whole numbers: probabilities, or an image?")
    return found.T if values.flags.f_contiguous else found


def _refuse_range(values: Numbers) -> None:
    if values.min(initial=0) < 0:
        raise DataError(NO_NUMBERS)
    if values.max(initial=0) > np.iinfo(np.uint16).max:
        raise DataError("the mask has values above 65535")


def structures_in(values: Numbers) -> list[Structure]:
    """Give the grey values of an array on the image's own grid, but 0."""
    found = np.unique(values)
    if len(found) > MAX_VALUES:
        raise DataError(f"the mask has {len(found)} different values: it looks like an image")
    return [_structure(values, int(number)) for number in found if number]


def _structure(values: Numbers, number: int) -> Structure:
    def draw() -> Mask | None:
        return np.asarray(values == number)

    return Structure(str(number), draw)


def on_grid(volume: Numbers, affine: Points, grid: Grid, notes: Notes) -> Numbers:
    """Bring a volume to the image's grid: (D, H, W); the nearest of its voxels counts.

    Args:
        volume: (I, J, K).
        affine: (4, 4) from a voxel's numbers to mm to the patient's left, back and head.
        grid: The image's.
        notes: Told where the two grids are not one.
    """
    if grid.plane is None:
        raise DataError(NO_PLACE)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise DataError("the mask does not say where it lies: its directions make no space")
    inverse: Points = np.linalg.inv(affine).astype(np.float64)
    way = Way(inverse[:3, :3], inverse[:3, 3])
    found, part_inside = take(volume, way, grid.plane, grid.shape)
    if not part_inside:
        raise DataError(OUTSIDE_IMAGE)
    if part_inside < 1:
        notes[f"mask covers {part_inside:.0%} of the image; the rest counts as not outlined"] += 1
    if worst_offset(way, grid.plane, grid.shape) > NEAR:
        notes["mask has a grid of its own; the nearest of its voxels count"] += 1
    return found
