"""Slices to a volume: ordered by position, checked for gaps, resampled to the plan's shape.

A slice's place is its ImagePositionPatient along the normal of its ImageOrientationPatient (PS3.3
C.7.6.2.1.1). A volume is turned, without resampling, so that its axes run to the patient's left,
back and head: two sites that store one body in two directions give the network the same.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from medfl_client.data.dicom.frames import decode, frame_facts, n_frames
from medfl_client.data.dicom.geometry import Array, centred
from medfl_client.data.dicom.grey import luminance, show, to_colour, to_values
from medfl_client.data.dicom.header import Row
from medfl_client.data.dicom.layout import Layout, backward_axes, placed, resize_in_plane
from medfl_client.data.dicom.numbers import numbers_in
from medfl_client.data.dicom.pixels import is_inverted, open_image
from medfl_client.data.dicom.plane import (
    ORIENTATION,
    POSITION,
    Geometry,
    Places,
    drifts,
    geometry_in,
    geometry_of,
    planes_of,
    refuse_planes,
)
from medfl_client.data.dicom.spacing import SQUARE, known_spacing
from medfl_common.errors import DataError
from medfl_common.plan.images import Images

MIN_SLICES = 3
SAME_PLACE_MM = 0.01
MAX_GAP = 1.5  # steps between neighbours, in median steps


def arrange(rows: Sequence[Row]) -> tuple[list[Row], dict[str, str]]:
    """Choose and order the files of one volume from the index: (slices, name -> reason).

    A multi-frame file is a volume by itself. Of slices of several planes or sizes those of the
    most frequent kind are kept, if they are the majority: the others are scouts.

    Raises DataError where the files are no volume.
    """
    if len(rows) == 1 and rows[0].frames > 1:
        return list(rows), {}
    if any(row.frames > 1 for row in rows):
        raise DataError("the series mixes multi-frame files with others")
    kinds = _kinds(rows)
    kind, n = Counter(kinds).most_common(1)[0]
    if 2 * n <= len(rows):
        raise DataError(f"the series has slices of {len(set(kinds))} planes or sizes, none most")
    left_out = {
        row.name: _why_apart(row) for row, own in zip(rows, kinds, strict=True) if own != kind
    }
    slices = [row for row in rows if row.name not in left_out]
    geometries = [_geometry(row) for row in slices]
    places = [geometry.place for geometry in geometries]
    order = np.argsort(places, kind="stable")
    check_steps(np.array(places)[order])
    drifts([geometries[i] for i in order])
    return [slices[i] for i in order], left_out


def middle_of(rows: Sequence[Row]) -> Row:
    """Choose the middle file of a series: of its most frequent plane and size, by place.

    Files without places are ordered by InstanceNumber.
    """
    kinds = _kinds(rows)
    kind, _ = Counter(kinds).most_common(1)[0]
    slices = [row for row, own in zip(rows, kinds, strict=True) if own == kind]
    slices.sort(key=lambda row: (row.instance, row.sop))
    with suppress(DataError):
        places = {row.name: _geometry(row).place for row in slices}
        slices.sort(key=lambda row: places[row.name])
    return slices[len(slices) // 2]


def _kinds(rows: Sequence[Row]) -> list[tuple[int, int, int]]:
    """Give each file's plane and size."""
    planes = planes_of([_orientation(row) for row in rows])
    return [(plane, row.height, row.width) for plane, row in zip(planes, rows, strict=True)]


def _geometry(row: Row) -> Geometry:
    position = numbers_in(row.position, POSITION)
    return geometry_of(position, numbers_in(row.orientation, ORIENTATION))


def _why_apart(row: Row) -> str:
    """Say why a file is not like the others of its series."""
    try:
        _geometry(row)
    except DataError as error:
        return str(error)
    return "another plane or size than the rest of its series (a scout?)"


def check_steps(places: Places) -> None:
    """Raise DataError where ascending places have two slices at one, or a slice is missing."""
    if len(places) < MIN_SLICES:
        raise DataError(f"the series has {len(places)} slices; a volume needs {MIN_SLICES}")
    steps = np.diff(places)
    n_same = int((steps < SAME_PLACE_MM).sum())
    if n_same:
        raise DataError(f"{n_same} slices lie where another does (a dynamic or repeated series?)")
    median = float(np.median(steps))
    worst = int(steps.argmax())
    if steps[worst] > MAX_GAP * median:
        raise DataError(
            f"a gap of {steps[worst]:.1f} mm after slice {worst + 1} of {len(places)}, where the "
            f"others are {median:.1f} mm apart; slices are missing"
        )


@dataclass(frozen=True)
class Slice:
    """One slice of a volume."""

    values: Array  # (H, W) after the modality transformation, as large as the plan needs it
    shape: tuple[int, ...]  # (rows, columns) in the file
    geometry: Geometry
    facts: Dataset
    is_inverted: bool


def read_volume(paths: Sequence[Path], images: Images) -> Array:
    """Read the files of one volume as (1, depth, size, size) float32 in 0..1.

    The window is taken once, from the middle slice, or from the whole volume's own values.
    """
    slices, places = read_slices(paths, partial(resize_in_plane, images=images))
    volume = np.stack([part.values for part in slices])
    middle = slices[len(slices) // 2]
    layout = layout_of(slices, places)
    return to_volume(volume, layout, middle.facts, images, middle.is_inverted)


def layout_of(slices: Sequence[Slice], places: Places) -> Layout:
    """Say how slices lie that `read_slices` gave."""
    return Layout(
        shape=slices[0].shape,
        facts=slices[0].facts,
        places=places,
        drift_mm=drifts([part.geometry for part in slices]),
        flips=backward_axes(slices[0].geometry),
    )


def to_volume(
    slices: Array, layout: Layout, facts: Dataset, images: Images, is_inverted: bool = False
) -> Array:
    """Turn slices of the plan's in-plane scale into the volume that `read_volume` gives.

    Args:
        slices: (D, H, W) values after the modality transformation.
        layout: How they lie.
        facts: Attributes in which a window is looked for.
        images: The plan's images.
        is_inverted: MONOCHROME1.
    """
    volume = placed(slices, layout, images)
    shown = show(volume, facts, images.intensity, is_inverted)
    return centred(shown, images.held(shown.shape))[None]


def read_slices(
    paths: Sequence[Path], fitted: Callable[[Array, Dataset], Array] | None = None
) -> tuple[list[Slice], Places]:
    """Read the slices of one volume and their places in mm, ascending, whatever the files' order.

    `fitted` resamples a slice as soon as it is read: a whole volume may be large.
    """
    slices, places = in_order([part for path in paths for part in _read_file(path, fitted)])
    return _without_gaps(slices), places


def in_order(slices: list[Slice]) -> tuple[list[Slice], Places]:
    """Order the slices of one volume by their places; raises DataError where they are none."""
    refuse_planes([part.geometry for part in slices])
    slices.sort(key=lambda part: part.geometry.place)
    places = np.array([part.geometry.place for part in slices])
    check_steps(places)
    if len({part.shape for part in slices}) > 1:
        raise DataError("the slices of the volume have several sizes")
    sides = np.array([known_spacing(part.facts) or (1.0, 1.0) for part in slices])
    if (np.ptp(sides, axis=0) > SQUARE * sides[0]).any():
        raise DataError("PixelSpacing (0028,0030) is not the same in all slices of the volume")
    return slices, places


def _without_gaps(slices: list[Slice]) -> list[Slice]:
    """Fill slices that are padding only with the lowest value of the others."""
    is_empty = [bool(np.isnan(part.values).all()) for part in slices]
    if not any(is_empty):
        return slices
    if all(is_empty):
        raise DataError("every pixel is padding (0028,0120)")
    lowest = min(part.values.min() for part, no in zip(slices, is_empty, strict=True) if not no)
    return [
        replace(part, values=np.full_like(part.values, lowest)) if empty else part
        for part, empty in zip(slices, is_empty, strict=True)
    ]


def _read_file(path: Path, fitted: Callable[[Array, Dataset], Array] | None) -> list[Slice]:
    dataset = open_image(path)
    slices = []
    for frame in range(n_frames(dataset)):
        read = _read_slice(dataset, frame)
        slices.append(replace(read, values=fitted(read.values, read.facts)) if fitted else read)
    return slices


def _read_slice(dataset: Dataset, frame: int) -> Slice:
    facts = frame_facts(dataset, frame)
    geometry = geometry_in(facts)
    stored, photometric = decode(dataset, frame)
    if photometric.startswith("MONOCHROME"):
        values = to_values(stored, facts)
    else:
        values = luminance(to_colour(stored, facts, photometric))
    return Slice(values, values.shape, geometry, facts, is_inverted(photometric, facts))


def _orientation(row: Row) -> tuple[float, ...]:
    """Give the directions of a file; none where they are no numbers."""
    with suppress(DataError):
        return numbers_in(row.orientation, ORIENTATION)
    return ()
