"""How the slices of a volume lie: the one way from its own grid to the plan's.

An image and its masks go through the same functions, so that no mask can drift from its image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from medfl_client.data.dicom.geometry import Array, resample_slices, resize, steps_around
from medfl_client.data.dicom.numbers import named
from medfl_client.data.dicom.pixels import in_plane_scale
from medfl_client.data.dicom.plane import Geometry, Places, straightened, tilted
from medfl_client.data.dicom.spacing import known_spacing, pixel_spacing
from medfl_common.errors import DataError
from medfl_common.plan.images import Images


@dataclass(frozen=True)
class Layout:
    """How slices lie to each other and to the patient."""

    shape: tuple[int, ...]  # (rows, columns) of a slice in the file
    facts: Dataset  # of the first slice: its spacing
    places: Places  # (D,) of the slices along their normal, mm, ascending
    drift_mm: Places | None = None  # (D, 2) shift of each slice down and across; None: straight
    flips: tuple[int, ...] = ()  # axes that run against the patient's left, back or head


def resize_in_plane(values: Array, facts: Dataset, images: Images) -> Array:
    """Resample one slice (H, W) to the plan's spacing, or as large as fits."""
    down, across = in_plane_scale(facts, values.shape, images)
    height, width = values.shape
    return resize(values, (max(1, round(height * down)), max(1, round(width * across))))


def placed(volume: Array, layout: Layout, images: Images, outside: float | None = None) -> Array:
    """Bring (D, H, W) slices, resized in their planes, to the plan's places and directions.

    What no slice of a tilted gantry covers is `outside`, or the volume's lowest value.
    """
    straight = _straight(volume, layout, images, outside)
    places = -layout.places[::-1] if 0 in layout.flips else layout.places
    return resample_slices(np.flip(straight, layout.flips), places, new_places(places, images))


def unplaced(volume: Array, layout: Layout, images: Images) -> Array:
    """Bring (D', H', W') back from where `placed` brings slices: (D, H, W), resized in planes."""
    places = -layout.places[::-1] if 0 in layout.flips else layout.places
    slices = resample_slices(volume, new_places(places, images), places)
    slices = np.flip(slices, layout.flips)
    if layout.drift_mm is None:
        return slices
    down, across = scale = in_plane_scale(layout.facts, layout.shape, images)
    shape = max(1, round(layout.shape[0] * down)), max(1, round(layout.shape[1] * across))
    return tilted(slices, layout.drift_mm * scale / pixel_spacing(layout.facts), shape)


def _straight(volume: Array, layout: Layout, images: Images, outside: float | None) -> Array:
    """Shift slices of a tilted gantry back in their planes."""
    if layout.drift_mm is None:
        return volume
    facts = layout.facts
    if known_spacing(facts) is None:
        raise DataError(f"the gantry is tilted, and {named('PixelSpacing')} is missing or unusable")
    scale = in_plane_scale(facts, layout.shape, images)
    volume = straightened(volume, layout.drift_mm * scale / pixel_spacing(facts), outside)
    if images.spacing_mm is not None or max(volume.shape[1:]) <= images.size:
        return volume
    height, width = (round(n * images.size / max(volume.shape[1:])) for n in volume.shape[1:])
    return np.stack([resize(part, (height, width)) for part in volume])


def new_places(places: Places, images: Images) -> Places:
    """Give where the plan's slices lie, for slices at `places`, mm."""
    if images.slice_mm is not None:
        return steps_around(places, images.slice_mm)
    return np.linspace(places[0], places[-1], int(images.depth or 1))


def upright(volume: Array, geometry: Geometry) -> Array:
    """Mirror (D, H, W) so that no axis runs against the patient's left, back or head."""
    return np.asarray(np.flip(volume, backward_axes(geometry)))


def backward_axes(geometry: Geometry) -> tuple[int, ...]:
    """Name the axes of (D, H, W) that run against the patient's left, back or head."""
    row, column = geometry.orientation[:3], geometry.orientation[3:]
    ways = [tuple(geometry.normal), column, row]
    return tuple(axis for axis, way in enumerate(ways) if _runs_back(way))


def _runs_back(direction: Sequence[float]) -> bool:
    return bool(direction[int(np.argmax(np.abs(direction)))] < 0)
