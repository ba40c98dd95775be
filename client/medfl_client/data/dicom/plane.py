"""Where a slice lies, and whether slices make one volume (PS3.3 C.7.6.2.1.1).

Slices of one volume lie in one plane each, all parallel. Where their first pixels drift evenly in
the plane, as under a tilted gantry, each slice is shifted back; where they jump, there are several
stacks, and no volume.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medfl_client.data.dicom.geometry import Array, resize
from medfl_client.data.dicom.numbers import named, numbers, numbers_in, shown
from medfl_common.errors import DataError

POSITION, ORIENTATION = "ImagePositionPatient", "ImageOrientationPatient"
LENGTHS = (0.9, 1.1)  # of a direction; it is then made 1
MAX_SKEW = 0.02  # cosine between a row and a column; DICOM says 0
PARALLEL = 0.02  # how far directions of one plane may be apart
MAX_DRIFT_MM = 0.5  # in the plane, over a volume that is straight
MAX_UNEVEN_MM = 1.5  # off the line of a tilt; positions may be rounded to millimetres
NAMES = ("sagittal", "coronal", "axial")  # by the axis, x, y, z, along which the normal runs
MIN_ALONG = 0.8  # cosine of the normal with that axis: 37 degrees
OBLIQUE, MIXED = "oblique", "mixed"  # mixed: frames of one file lie in several planes
MAX_TILT = 1.0  # mm in the plane for each mm along the normal: 45 degrees

_NO_PLACE = "missing: a slice without a place"
_NO_PLANE = "missing: a slice without a plane"

Places = NDArray[np.float64]


@dataclass(frozen=True)
class Geometry:
    """Where a slice lies, in the patient's millimetres."""

    position: tuple[float, ...]  # x, y, z of the first pixel's centre
    orientation: tuple[float, ...]  # directions of a row and of a column, of length 1

    @property
    def normal(self) -> NDArray[np.float64]:
        """Give the direction from slice to slice."""
        return np.cross(self.orientation[:3], self.orientation[3:])

    @property
    def place(self) -> float:
        """Give the slice's place in mm along its normal."""
        return float(np.dot(self.normal, self.position))


def geometry_in(facts: Dataset) -> Geometry:
    """Read where a slice lies; raises DataError where the header does not say it."""
    return geometry_of(numbers(facts, POSITION), numbers(facts, ORIENTATION))


def geometry_of(position: Sequence[float], orientation: Sequence[float]) -> Geometry:
    """Check and join the two; raises DataError where they do not say where a slice lies."""
    if len(position) != 3:
        seen = f"{_text(position)}; 3 numbers are needed" if position else _NO_PLACE
        raise DataError(f"{named(POSITION)} is {seen}")
    if len(orientation) != 6:
        seen = f"{_text(orientation)}; 6 numbers are needed" if orientation else _NO_PLANE
        raise DataError(f"{named(ORIENTATION)} is {seen}")
    row, column = np.array(orientation[:3], float), np.array(orientation[3:], float)
    lengths = float(np.linalg.norm(row)), float(np.linalg.norm(column))
    if not all(LENGTHS[0] < length < LENGTHS[1] for length in lengths):
        raise DataError(f"{named(ORIENTATION)} is {_text(orientation)}; directions have length 1")
    row, column = row / lengths[0], column / lengths[1]
    skew = float(row @ column)
    if abs(skew) > MAX_SKEW:
        degrees = np.degrees(np.arccos(skew))
        raise DataError(
            f"{named(ORIENTATION)} is {_text(orientation)}; rows and columns are "
            f"{degrees:.0f} degrees apart, 90 are needed"
        )
    if abs(skew) > 1e-5:
        column = column - skew * row
        column /= np.linalg.norm(column)
    return Geometry(tuple(map(float, position)), (*map(float, row), *map(float, column)))


def _text(values: Sequence[float]) -> str:
    return shown("\\".join(f"{value:g}" for value in values))


def plane_name(orientation: str) -> str:
    """Name the plane of an orientation in the index's text; empty where the text says none."""
    if orientation == MIXED:
        return MIXED
    try:
        geometry = geometry_of((0.0, 0.0, 0.0), numbers_in(orientation, ORIENTATION))
    except DataError:
        return ""
    along = np.abs(geometry.normal)
    return NAMES[int(along.argmax())] if along.max() >= MIN_ALONG else OBLIQUE


def planes_of(orientations: Sequence[Sequence[float]]) -> list[int]:
    """Number the planes: slices that are parallel, but for rounding, have one number."""
    planes: list[Sequence[float]] = []
    found = []
    for own in orientations:
        same = (i for i, plane in enumerate(planes) if _is_parallel(own, plane))
        found.append(next(same, len(planes)))
        if found[-1] == len(planes):
            planes.append(own)
    return found


def _is_parallel(one: Sequence[float], other: Sequence[float]) -> bool:
    if len(one) != len(other):
        return False
    return all(abs(a - b) < PARALLEL for a, b in zip(one, other, strict=True))


def common_orientation(orientations: Sequence[str]) -> str:
    """Give the orientation of the frames of one file, or MIXED where they are not parallel."""
    first = orientations[0] if orientations else ""
    with suppress(DataError):
        for other in set(orientations) - {first}:
            if len(set(planes_of([numbers_in(t, ORIENTATION) for t in (first, other)]))) > 1:
                return MIXED
    return first


def refuse_planes(geometries: Sequence[Geometry]) -> None:
    """Raise DataError where the slices are not parallel."""
    n_planes = len(set(planes_of([geometry.orientation for geometry in geometries])))
    if n_planes > 1:
        raise DataError(
            f"{named(ORIENTATION)} says {n_planes} planes among {len(geometries)} slices; "
            "a volume has one"
        )


def drifts(geometries: Sequence[Geometry]) -> Places | None:
    """Give how far slices are shifted in their plane, (D, 2) mm down and across; None: not at all.

    Args:
        geometries: Of parallel slices in their order.

    Raises DataError where the shift does not grow evenly with the place.
    """
    places = np.array([geometry.place for geometry in geometries])
    origins = np.array([geometry.position for geometry in geometries])
    row, column = np.split(np.array(geometries[0].orientation), 2)
    middle = len(geometries) // 2
    shift = (origins - origins[middle]) @ np.stack([column, row], axis=1)
    if np.abs(shift).max() <= MAX_DRIFT_MM:
        return None
    slopes, offsets = np.polyfit(places - places[middle], shift, 1)
    even = np.outer(places - places[middle], slopes) + offsets
    if np.abs(shift - even).max() > MAX_UNEVEN_MM:
        raise DataError(
            f"slices are shifted in their plane by up to {np.abs(shift).max():.1f} mm, not evenly "
            f"({named(POSITION)}): several stacks, or a patient that moved"
        )
    if np.abs(slopes).max() > MAX_TILT:
        degrees = np.degrees(np.arctan(np.abs(slopes).max()))
        raise DataError(
            f"{named(POSITION)} says a tilt of {degrees:.0f} degrees; at most 45 are read"
        )
    return np.asarray(shift)


def straightened(volume: Array, pixels: Places, outside: float | None = None) -> Array:
    """Shift each slice of (D, H, W) by so many pixels, (D, 2); nothing is cut off.

    What no slice covers is `outside`, or the volume's lowest value.
    """
    before, after = room(pixels)
    shape = (len(volume), *(np.array(volume.shape[1:]) + before + after))
    result = np.full(shape, volume.min() if outside is None else outside, dtype=np.float32)
    for new, old, shift in zip(result, volume, pixels, strict=True):
        down, across = (
            _moved(n_old, n_new, first + by)
            for n_old, n_new, first, by in zip(old.shape, new.shape, before, shift, strict=True)
        )
        inside = np.outer(down.any(axis=1), across.any(axis=1))
        new[inside] = (down @ old @ across.T)[inside]
    return result


def tilted(volume: Array, pixels: Places, shape: tuple[int, int]) -> Array:
    """Shift each slice of (D, H', W'), as `straightened` gave them, back into `shape`."""
    before, after = room(pixels)
    height, width = (np.array(shape) + before + after).tolist()
    result = np.empty((len(volume), *shape), dtype=np.float32)
    for new, old, shift in zip(result, volume, pixels, strict=True):
        down, across = (
            np.clip(1 - np.abs((np.arange(n) + first + by)[:, None] - np.arange(n_whole)), 0, None)
            for n, n_whole, first, by in zip(shape, (height, width), before, shift, strict=True)
        )
        new[...] = down @ resize(old, (height, width)) @ across.T
    return result


def room(pixels: Places) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the lines that shifted slices need before and after their own."""
    before = np.ceil(np.maximum(-pixels.min(axis=0), 0)).astype(int)
    return before, np.ceil(np.maximum(pixels.max(axis=0), 0)).astype(int)


def _moved(n_old: int, n_new: int, by: float) -> Array:
    """Weight old lines for new ones, (new, old), linearly; a new one outside has no weight."""
    at = np.arange(n_new) - by
    is_inside = (at >= -0.5) & (at <= n_old - 0.5)
    at = np.clip(at, 0, n_old - 1)
    weights = np.clip(1 - np.abs(at[:, None] - np.arange(n_old)), 0, None) * is_inside[:, None]
    return np.asarray(weights, dtype=np.float32)
