"""RTSTRUCT: closed planar contours to voxels (PS3.3 C.8.8.6).

Contours of one region in one slice are joined by exclusive or: a hole may be a contour of its own,
or hang on its outline by a keyhole. What cannot be drawn is counted and told.
"""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from medfl_client.data.dicom.annotation import MAX_NAME, text_of
from medfl_client.data.dicom.numbers import items_of, whole_number
from medfl_client.data.dicom.reading import read_tags
from medfl_client.data.masks.content import NO_PLACE, OUTSIDE_IMAGE, Mask, Notes, Structure
from medfl_client.data.masks.grid import THIN_MM, Grid, Plane, Points
from medfl_client.data.masks.polygon import toggle
from medfl_common.errors import DataError

CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
MAX_CONTOURS = 200_000  # of one file
BETWEEN = 0.1  # steps off its slice: so far a contour lies on it
OFF_PLANE_MM = 0.1  # how far points of one contour may be out of its plane
ELSEWHERE = "a region that counts lies in another frame of reference than the image"
UNDRAWN = "no contour of a region can be drawn: open, out of plane, or fewer than 3 points"

_TAGS: list[BaseTag | int] = [
    Tag(name) for name in ("SpecificCharacterSet", "StructureSetROISequence", "ROIContourSequence")
]
_DATA = Tag("ContourData")


@dataclass(frozen=True)
class _Contour:
    place: float  # mm along the slices' normal
    slice: int
    points: Points  # (N, 3) mm


def read_structure_set(path: Path, grid: Grid, notes: Notes) -> list[Structure]:
    """Read a file's regions of interest; raises DataError where it has none."""
    dataset = read_tags(path, _TAGS)
    charset = text_of(dataset, "SpecificCharacterSet")
    contours = _contours_of(dataset)
    by_name: dict[str, list[list[Dataset]]] = {}
    elsewhere = set[str]()
    regions = items_of(dataset, "StructureSetROISequence")
    n_of = Counter(whole_number(region, "ROINumber") or 0 for region in regions)
    for region in regions:
        name = text_of(region, "ROIName", charset)[:MAX_NAME]
        frame = text_of(region, "ReferencedFrameOfReferenceUID").upper()
        number = whole_number(region, "ROINumber") or 0
        found = contours.get(number, [])
        if found and n_of[number] > 1:
            raise DataError("regions of interest share a ROINumber (3006,0022), and its contours")
        if found and frame and grid.frame_uid and frame != grid.frame_uid:
            notes["regions lie in another frame of reference"] += 1
            elsewhere.add(name)
            found = []
        by_name.setdefault(name, []).append(found)
    if not by_name:
        raise DataError("the structure set names no region (3006,0020)")
    return [
        _structure(name, regions, grid, notes, name in elsewhere)
        for name, regions in by_name.items()
    ]


def _contours_of(dataset: Dataset) -> dict[int, list[Dataset]]:
    """Give the contours of each region, by its number."""
    found: dict[int, list[Dataset]] = {}
    n = 0
    for item in items_of(dataset, "ROIContourSequence"):
        contours = items_of(item, "ContourSequence")
        n += len(contours)
        if n > MAX_CONTOURS:
            raise DataError(f"the structure set has more than {MAX_CONTOURS} contours")
        found.setdefault(whole_number(item, "ReferencedROINumber") or 0, []).extend(contours)
    return found


def _structure(
    name: str, regions: list[list[Dataset]], grid: Grid, notes: Notes, is_elsewhere: bool
) -> Structure:
    def draw() -> Mask | None:
        filled = [contours for contours in regions if contours]
        if len(filled) > 1:
            raise DataError(f"{len(filled)} regions of interest have one name, and contours each")
        if is_elsewhere and not filled:
            raise DataError(ELSEWHERE)
        return _draw(filled[0], grid, notes) if filled else None

    return Structure(name, draw)


def _draw(items: list[Dataset], grid: Grid, notes: Notes) -> Mask | None:
    plane = grid.plane
    if plane is None:
        raise DataError(NO_PLACE)
    n_before, points = notes[OUTSIDE_IMAGE], [_points(item) for item in items]
    plane = _narrowed(plane, points)
    read = (_contour(*one, plane, notes) for one in zip(items, points, strict=True))
    contours = [one for one in read if one is not None]
    if not contours and notes[OUTSIDE_IMAGE] - n_before < len(items):
        raise DataError(UNDRAWN)
    mask = np.zeros(grid.shape, dtype=np.bool_)
    seen = set[tuple[int, bytes]]()
    for one in _nearest_planes(contours, plane, notes):
        key = one.slice, one.points.tobytes()
        if key in seen:
            notes["contours are there twice; one is drawn"] += 1
            continue
        seen.add(key)
        from_first = one.points - plane.origins[one.slice]
        pixels = np.stack(
            [from_first @ plane.column / plane.spacing[0],
             from_first @ plane.row / plane.spacing[1]], axis=1
        )  # fmt: skip
        toggle(mask[one.slice], pixels)
        if _is_beyond(pixels, grid.shape):
            notes["contours reach beyond the image's edge"] += 1
    notes["slices between a region's contours have none"] += _n_between(contours)
    return mask if mask.any() else None


def _narrowed(plane: Plane, contours: list[Points]) -> Plane:
    """Let a lone slice hold half the way to the next contours at most: thick slices may overlap."""
    if len(plane.places) > 1 or plane.thick_mm <= THIN_MM:
        return plane
    along = [points @ plane.normal for points in contours if len(points)]
    steps = np.diff(np.sort([place.mean() for place in along]))
    least = steps[steps > OFF_PLANE_MM].min(initial=plane.thick_mm)
    return replace(plane, thick_mm=max(THIN_MM, float(least)))


def _n_between(contours: list[_Contour]) -> int:
    """Count the slices without contour between the first and the last that have one."""
    slices = {one.slice for one in contours}
    return max(slices) + 1 - min(slices) - len(slices) if slices else 0


def _contour(item: Dataset, points: Points, plane: Plane, notes: Notes) -> _Contour | None:
    """Read a contour and find its slice; None, and a note, where it cannot be drawn."""
    along, half = points @ plane.normal, plane.step_mm / 2 + 1e-3
    first, last = plane.places[0] - half, plane.places[-1] + half
    if len(points) and (along.max() < first or along.min() > last):
        notes[OUTSIDE_IMAGE] += 1
        return None
    kind = text_of(item, "ContourGeometricType").upper()
    if kind not in CLOSED:
        known = kind if kind in ("POINT", "OPEN_PLANAR", "OPEN_NONPLANAR") else "of another type"
        notes[f"contours are {known}, not closed; not drawn"] += 1
        return None
    if len(points) < 3:
        notes["contours have fewer than 3 points; not drawn"] += 1
        return None
    if np.ptp(along) > max(OFF_PLANE_MM, plane.step_mm / 4):
        notes["contours do not lie in the image's plane; not drawn"] += 1
        return None
    place = float(along.mean())
    nearest = int(np.abs(plane.places - place).argmin())
    if abs(plane.places[nearest] - place) > half:
        notes[OUTSIDE_IMAGE] += 1
        return None
    return _Contour(place, nearest, points)


def _points(item: Dataset) -> Points:
    """Read ContourData (3006,0050) from its bytes: (N, 3) mm. Raises DataError for no numbers."""
    element = item.get_item(_DATA)
    value = None if element is None else element.value
    if value is None:
        return np.zeros((0, 3))
    try:
        numbers = value.split(b"\\") if isinstance(value, bytes) else value
        found = np.array([float(number) for number in numbers if number not in (b"", "")])
    except (TypeError, ValueError):
        raise DataError("ContourData (3006,0050) is no list of numbers") from None
    if len(found) % 3 or not np.isfinite(found).all() or np.abs(found).max(initial=0) > 1e6:
        raise DataError("ContourData (3006,0050) is no list of points")
    return found.reshape(-1, 3)


def _nearest_planes(contours: list[_Contour], plane: Plane, notes: Notes) -> list[_Contour]:
    """Keep, for each slice, the contours of the one plane that is nearest to it."""
    near_mm = BETWEEN * plane.step_mm
    closest: dict[int, float] = {}
    for one in contours:
        off = abs(one.place - plane.places[one.slice])
        if off < abs(closest.get(one.slice, np.inf) - plane.places[one.slice]):
            closest[one.slice] = one.place
    kept = []
    for one in contours:
        if abs(one.place - closest[one.slice]) > near_mm:
            notes["contours lie between slices, and others are nearer; not drawn"] += 1
            continue
        if abs(one.place - plane.places[one.slice]) > near_mm:
            notes["contours lie between slices; the nearest slice has them"] += 1
        kept.append(one)
    return kept


def _is_beyond(pixels: NDArray[np.float64], shape: tuple[int, int, int]) -> bool:
    return bool((pixels < -0.5).any() or (pixels > np.array(shape[1:]) - 0.5).any())
