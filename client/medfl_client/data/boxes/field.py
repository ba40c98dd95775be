"""Where a place of an image lies in the network's input: the resampling of the image in numbers.

Each step of `Grid.resampled` moves places along an axis by a factor and an offset, so all of them
make one affine map. A test sends coordinates themselves through the resampling of the pixels and
finds the same numbers.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfl_client.data.dicom.layout import Layout, new_places
from medfl_client.data.dicom.pixels import in_plane_scale
from medfl_client.data.dicom.plane import MAX_DRIFT_MM, MAX_SKEW, room
from medfl_client.data.dicom.spacing import pixel_spacing
from medfl_client.data.masks.content import NO_PLACE
from medfl_client.data.masks.grid import Grid, Plane
from medfl_common.errors import DataError
from medfl_common.plan.images import Images

Floats = NDArray[np.float64]
SHEARED = "the axes of the volume are not at right angles, so no box follows from a diameter"


@dataclass(frozen=True)
class Field:
    """What of an image the network sees, in pixels of its input; the first reaches from 0 to 1.

    matrix: (d, n + 1) from the image's (y, x), or the patient's (x, y, z) in mm, to the input's
        ([z,] y, x); the last column is the offset.
    sides: (d,) of the input.
    low, high: (d,) where the image begins and ends there; it may be larger, or smaller.
    """

    matrix: Floats
    sides: Floats
    low: Floats
    high: Floats

    def packed(self) -> Floats:
        """Give all of it as one array, (d, n + 4)."""
        return np.column_stack([self.matrix, self.sides, self.low, self.high])


def unpacked(record: NDArray[np.generic]) -> Field:
    """Take apart what `packed` gave."""
    numbers = np.asarray(record, np.float64)
    return Field(numbers[:, :-3], numbers[:, -3], numbers[:, -2], numbers[:, -1])


def field_of(grid: Grid, images: Images) -> Field:
    """Work out the map of an image; raises DataError where a volume does not say where it lies."""
    if grid.layout is not None:
        if grid.plane is None:
            raise DataError(NO_PLACE)
        return _of_volume(grid, grid.plane, grid.layout, images)
    old = np.array(grid.shape[1:], np.float64)
    new = np.array(_resized(grid, grid.shape[1:], images), np.float64)
    return _centred(np.diag(new / old), np.zeros(2), new, images)


def _resized(grid: Grid, shape: tuple[int, ...], images: Images) -> tuple[int, int]:
    """Give the sides of a slice at the plan's spacing, or as large as fits."""
    down, across = in_plane_scale(grid.facts, shape, images)
    return max(1, round(shape[0] * down)), max(1, round(shape[1] * across))


def _of_volume(grid: Grid, plane: Plane, layout: Layout, images: Images) -> Field:
    _refuse_shear(plane, layout)
    height, width = _resized(grid, grid.shape[1:], images)
    ways = np.stack([plane.normal, plane.column, plane.row])  # (3, 3), slices first
    middle = plane.origins[len(plane.origins) // 2]
    # in-plane: pixels from the edge of the middle slice, then those of the resized slice
    per_mm = np.array([height / (grid.shape[1] * plane.spacing[0]),
                       width / (grid.shape[2] * plane.spacing[1])])  # fmt: skip
    first = np.array([height / grid.shape[1], width / grid.shape[2]]) / 2 - per_mm * (
        ways[1:] @ middle
    )
    sides = np.array([height, width])
    if layout.drift_mm is not None:
        per_mm, first, sides = _straightened(layout, images, per_mm, first, sides)
    matrix = np.vstack([ways[:1], ways[1:] * per_mm[:, None]])
    offset = np.concatenate([[layout.places[0] - plane.places[0]], first])  # slices in mm so far
    places = layout.places
    for axis in layout.flips:
        matrix[axis] *= -1
        offset[axis] = (0.0 if axis == 0 else sides[axis - 1]) - offset[axis]
        places = -places[::-1] if axis == 0 else places
    new = new_places(places, images)
    step = float(new[-1] - new[0]) / (len(new) - 1) if len(new) > 1 else float(images.slice_mm or 1)
    matrix[0] /= step
    offset[0] = 0.5 + (offset[0] - new[0]) / step
    return _centred(matrix, offset, np.array([len(new), *sides], np.float64), images)


def _refuse_shear(plane: Plane, layout: Layout) -> None:
    """Raise DataError where slices are not stacked at right angles, and no gantry explains it."""
    along = np.outer(plane.places - plane.places[0], plane.normal)
    off = np.abs(plane.origins - plane.origins[0] - along).max()
    if abs(float(plane.row @ plane.column)) > MAX_SKEW or (
        layout.drift_mm is None and off > 2 * MAX_DRIFT_MM
    ):
        raise DataError(SHEARED)


def _straightened(
    layout: Layout, images: Images, per_mm: Floats, first: Floats, sides: NDArray[np.int64]
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Take places along where the slices of a tilted gantry are shifted back in their planes."""
    assert layout.drift_mm is not None
    scale = in_plane_scale(layout.facts, layout.shape, images)
    before, after = room(layout.drift_mm * scale / pixel_spacing(layout.facts))
    first, whole = first + before, sides + before + after
    if images.spacing_mm is not None or whole.max() <= images.size:
        return per_mm, first, whole
    fitted = np.array([round(n * images.size / int(whole.max())) for n in whole.tolist()])
    return per_mm * fitted / whole, first * fitted / whole, fitted


def _centred(matrix: Floats, offset: Floats, sides: Floats, images: Images) -> Field:
    """Crop and pad around the centre, as `geometry.centred`."""
    held = images.held(tuple(int(side) for side in sides))
    pairs = [(int(old), new, min(int(old), new)) for old, new in zip(sides, held, strict=True)]
    shift = np.array([(new - n) // 2 - (old - n) // 2 for old, new, n in pairs], np.float64)
    return Field(
        matrix=np.column_stack([matrix, offset + shift]),
        sides=np.array(held, np.float64),
        low=shift,
        high=shift + sides,
    )
