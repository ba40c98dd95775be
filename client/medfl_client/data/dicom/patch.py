"""Patches around places in a series, such as candidates for a nodule.

A series is read once for the candidates of it that a worker is given one after the other. A patch
lies along the axes of its series, and is turned like a volume: to the patient's left, back and
head. Where slices are shifted in their plane (a tilted gantry), each says where a position lies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medfl_client.data.dicom.geometry import Array, Lines, edges, lines_at, steps
from medfl_client.data.dicom.grey import show
from medfl_client.data.dicom.layout import upright
from medfl_client.data.dicom.plane import Geometry, Places, drifts
from medfl_client.data.dicom.series import read_slices
from medfl_client.data.dicom.spacing import pixel_spacing
from medfl_common.errors import DataError
from medfl_common.plan.images import Images

OUTSIDE = "the position is outside the volume"
MAX_INSIDE = 2**18  # values of a volume that a window by its values is taken from

Position = tuple[float, float, float]  # x, y, z in mm to the patient's left, back and head
Files = tuple[tuple[Path, int, int], ...]  # of one volume: path, size, time of change in ns


@dataclass(frozen=True)
class _Volume:
    """A series as it was scanned."""

    slices: list[Array]  # (H, W) each, after the modality transformation; never stacked: too large
    places: Places  # of the slices along their normal, mm, ascending
    origins: NDArray[np.float64]  # (D, 3) centre of each slice's first pixel
    is_tilted: bool  # the slices are shifted in their planes
    geometry: Geometry  # of the first slice
    spacing_mm: tuple[float, float]  # from row to row, from column to column
    facts: Dataset  # of the middle slice
    is_inverted: bool
    inside: Array  # some of its values, evenly from all of it


def read_patch(files: Files, images: Images, position: Position) -> Array:
    """Read the patch around a position as (1, depth, size, size) float32 in 0..1.

    What lies beyond the volume is 0. A window by the values is that of the whole volume.

    Raises DataError where the files are no volume, and OUTSIDE where they do not hold the position.
    """
    volume = _volume(files)
    if isinstance(volume, str):
        raise DataError(volume)
    lines = _lines(volume, position, images)
    shown = show(
        _resample(volume, lines, position, images),
        volume.facts,
        images.intensity,
        volume.is_inverted,
        volume.inside,
    )
    d, h, w = (line.is_within for line in lines)
    shown *= d[:, None, None] & h[:, None] & w
    return upright(shown, volume.geometry)[None]


@lru_cache(maxsize=1)
def _volume(files: Files) -> _Volume | str:
    """Read a series, or give the reason why it cannot be: that too is worked out once."""
    _volume.cache_clear()  # two large volumes may be more than a worker's memory
    try:
        return _read([path for path, _, _ in files])
    except DataError as error:
        return str(error)


def _read(paths: Sequence[Path]) -> _Volume:
    slices, places = read_slices(paths)
    middle = slices[len(slices) // 2]
    n = sum(part.values.size for part in slices)
    thin = int(np.ceil(np.sqrt(n / MAX_INSIDE)))
    return _Volume(
        slices=[part.values for part in slices],
        places=places,
        origins=np.array([part.geometry.position for part in slices]),
        is_tilted=drifts([part.geometry for part in slices]) is not None,
        geometry=slices[0].geometry,
        spacing_mm=pixel_spacing(middle.facts),
        facts=middle.facts,
        is_inverted=middle.is_inverted,
        inside=np.concatenate([part.values[::thin, ::thin].ravel() for part in slices]),
    )


def _lines(volume: _Volume, position: Position, images: Images) -> list[Lines]:
    """Work out the patch's lines along the normal, down and across; raises OUTSIDE."""
    along = float(volume.geometry.normal @ position)
    low, high = edges(volume.places)
    if not low <= along <= high or images.depth is None or images.slice_mm is None:
        raise DataError(OUTSIDE)
    depth = lines_at(volume.places, steps(along, images.depth, images.slice_mm))
    nearest = int(np.abs(volume.places - along).argmin())
    for places, centre in _in_plane(volume, nearest, position):
        low, high = edges(places)
        if not low <= centre <= high:
            raise DataError(OUTSIDE)
    return [depth, *_plane_lines(volume, nearest, position, images)]


def _in_plane(volume: _Volume, index: int, position: Position) -> list[tuple[Places, float]]:
    """Give where a slice's rows are, and the position among them; then the columns."""
    row, column = np.split(np.array(volume.geometry.orientation), 2)
    return [
        (float(way @ volume.origins[index]) + np.arange(n) * mm, float(way @ position))
        for way, n, mm in zip((column, row), volume.slices[0].shape, volume.spacing_mm, strict=True)
    ]


def _plane_lines(volume: _Volume, index: int, position: Position, images: Images) -> list[Lines]:
    """Work out the patch's lines down and across one slice."""
    step_mm = images.spacing_mm or 1.0
    return [
        lines_at(places, steps(centre, images.size, step_mm))
        for places, centre in _in_plane(volume, index, position)
    ]


def _resample(volume: _Volume, lines: Sequence[Lines], position: Position, images: Images) -> Array:
    """Make (depth, size, size) values of those slices, rows and columns that are near."""
    depth, down, across = lines
    if not volume.is_tilted:
        near = np.stack([values[down.old, across.old] for values in volume.slices[depth.old]])
        flat = np.tensordot(depth.weights, near, axes=1)
        return np.asarray(down.weights @ flat @ across.weights.T)
    parts = []
    for index in range(len(volume.slices))[depth.old]:
        down, across = _plane_lines(volume, index, position, images)
        values = volume.slices[index][down.old, across.old]
        parts.append(down.weights @ values @ across.weights.T)
    return np.asarray(np.tensordot(depth.weights, np.stack(parts), axes=1))
