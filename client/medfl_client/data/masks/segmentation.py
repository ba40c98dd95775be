"""DICOM SEG: its segments on the image's own grid, wherever their frames lie.

A frame that lies on a slice of the image, pixel on pixel, is taken as it is. Another grid is looked
up voxel by voxel: the nearest counts.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfl_client.config.mask_files import MaskFiles
from medfl_client.data.masks.content import NO_PLACE, OUTSIDE_IMAGE, Mask, Notes, Structure
from medfl_client.data.masks.grid import Grid, Plane, Points
from medfl_client.data.masks.lattice import Way, coordinates, nearest
from medfl_client.data.masks.segment_frames import LABELMAP, Frame, Pixels, SegmentFile
from medfl_common.errors import DataError

MAX_STACK = 2**29  # voxels of one segment on a grid of its own
ONE_PLANE_MM = 0.1  # frames that are closer lie in one plane
ON_GRID = 0.1  # of a pixel, or of a step: so far two grids are one
SAME_WAY = 1e-3  # how far directions of one grid may be apart
SAME_SIZE = 1e-3  # by which part pixels of one size may differ
UNDESCRIBED = "the segmentation has segments that SegmentSequence (0062,0002) does not describe"
NO_FRAME = "the image has several frames, and the mask does not say which (0008,1160)"

Numbers = NDArray[np.generic]


def read_segmentation(path: Path, grid: Grid, rules: MaskFiles, notes: Notes) -> list[Structure]:
    """Read a file's segments; those of one label are one structure."""
    file = SegmentFile(path)
    if file.frame_uid and grid.frame_uid and file.frame_uid != grid.frame_uid:
        raise DataError("the segmentation lies in another frame of reference than the image")
    reading = _Reading(file, grid, rules.threshold, notes)
    by_label: dict[str, list[int]] = {}
    names = file.names()
    if file.kind != LABELMAP and any(frame.segment not in names for frame in file.frames):
        raise DataError(UNDESCRIBED)
    for number, label in names.items():
        by_label.setdefault(label, []).append(number)
    return [Structure(label, reading.drawer(numbers)) for label, numbers in by_label.items()]


class _Reading:
    """The frames of one file, and where they go on the image's grid."""

    def __init__(self, file: SegmentFile, grid: Grid, threshold: float, notes: Notes) -> None:
        self._file, self._grid, self._threshold, self._notes = file, grid, threshold, notes

    def drawer(self, numbers: list[int]) -> Callable[[], Mask | None]:
        """Give what draws segments."""
        return lambda: self._draw(numbers)

    def _draw(self, numbers: list[int]) -> Mask | None:
        if self._file.kind == LABELMAP:
            mask = np.isin(self._label_map, numbers)
        else:
            frames = [frame for frame in self._file.frames if frame.segment in numbers]
            if not frames:
                return None
            mask = self._on_grid(frames, self._is_inside, np.dtype(np.bool_)).astype(np.bool_)
        return mask if mask.any() else None

    def _is_inside(self, index: int) -> Pixels:
        pixels: NDArray[np.floating] = self._file.pixels(index).astype(np.float32)
        return np.asarray(pixels / self._file.highest >= self._threshold)

    @cached_property
    def _label_map(self) -> Numbers:
        found = self._on_grid(self._file.frames, self._file.pixels, np.dtype(np.uint16))
        if not np.isin(found, [0, *self._file.names()]).all():
            raise DataError(UNDESCRIBED)
        return found

    def _on_grid(
        self,
        frames: Sequence[Frame],
        read: Callable[[int], Pixels],
        dtype: np.dtype[np.generic],
    ) -> Numbers:
        slices = self._slices
        frames = [frame for frame in frames if not _is_of_another(frame, self._grid)]
        if slices is None and frames:
            looked_up, is_met = _looked_up(frames, read, dtype, self._grid, self._step_mm)
            self._notes[OUTSIDE_IMAGE] += 0 if is_met else len(frames)
            return looked_up
        result = np.zeros(self._grid.shape, dtype=dtype)
        for frame in frames:
            if slices is not None and slices[frame.index] >= 0:
                place = result[slices[frame.index]]
                np.maximum(place, read(frame.index).astype(dtype), out=place)
        return result

    @cached_property
    def _slices(self) -> NDArray[np.int64] | None:
        """Give the slice of each frame, -1 outside; None where the grid is another."""
        frames, grid = self._file.frames, self._grid
        if not all(frame.geometry and frame.spacing for frame in frames) or grid.plane is None:
            return _by_references(frames, grid, self._file.size)
        plane = grid.plane
        positions = np.array([f.geometry.position for f in frames if f.geometry])
        along = positions @ plane.normal
        found = np.abs(along[:, None] - plane.places).argmin(axis=1)
        off = positions - plane.origins[found]
        is_outside = np.abs(off @ plane.normal) > plane.step_mm / 2 + 1e-3
        if self._file.size != grid.shape[1:] or not _is_parallel(frames, plane):
            self._tell_another()
            return None
        off_pixels = np.abs([off @ plane.column / plane.spacing[0],
                             off @ plane.row / plane.spacing[1]]).max(axis=0)  # fmt: skip
        off_step = np.abs(off @ plane.normal) / plane.step_mm
        worst, worst_step = (one[~is_outside].max(initial=0) for one in (off_pixels, off_step))
        if worst > ON_GRID or worst_step > ON_GRID or self._is_coarser(plane):
            self._tell_another(float(worst))
            return None
        if is_outside.any():
            self._notes[OUTSIDE_IMAGE] += int(is_outside.sum())
        return np.where(is_outside, -1, found)

    def _is_coarser(self, plane: Plane) -> bool:
        """Say whether frames have other steps than slices; missing frames are no other steps.

        What the file says may be the step of the table, along a tilted gantry's slices.
        """
        said = self._file.frames[0].slice_mm
        steps = [step for step in (said, self._least_step_mm) if said and step]
        is_other = [abs(step / plane.step_mm - 1) > ON_GRID for step in steps]
        return len(plane.places) > 1 and bool(steps) and all(is_other)

    def _tell_another(self, off_pixels: float = 0) -> None:
        by = f" ({off_pixels:.2g} pixels off the image's)" if 0 < off_pixels < 1 else ""
        self._notes[f"mask has a grid of its own{by}; the nearest of its voxels count"] += 1

    @cached_property
    def _least_step_mm(self) -> float:
        """Measure the least mm from frame to frame; 0 where all lie in one plane."""
        geometries = [frame.geometry for frame in self._file.frames if frame.geometry]
        steps = np.diff(np.sort([float(g.normal @ g.position) for g in geometries]))
        apart = steps[steps > ONE_PLANE_MM]
        return float(apart.min()) if len(apart) else 0.0

    @cached_property
    def _step_mm(self) -> float:
        """Give the mm from frame to frame."""
        plane = self._grid.plane
        said = self._file.frames[0].slice_mm
        return said or self._least_step_mm or (plane.step_mm if plane else 1.0)


def _is_of_another(frame: Frame, grid: Grid) -> bool:
    """Say whether a mask's frame is of another frame of a multi-frame image than the one here."""
    if grid.shape[0] > 1 or not grid.frames:
        return False
    named = frame.frames_of(grid.sops[0])
    return bool(named) and grid.frames[0] not in named


def _by_references(frames: Sequence[Frame], grid: Grid, size: tuple[int, int]) -> NDArray[np.int64]:
    """Find the slice of each frame by the image that it names; a lone slice needs no name."""
    if size != grid.shape[1:]:
        raise DataError(
            f"the mask has {size[0]} x {size[1]} pixels, the image {grid.shape[1]} x "
            f"{grid.shape[2]}, and nobody says where they lie"
        )
    if grid.shape[0] == 1:
        named = [not f.sops or not grid.sops[0] or grid.sops[0] in f.sops for f in frames]
        if grid.frames and not all(
            f.frames_of(grid.sops[0]) for f, is_named in zip(frames, named, strict=True) if is_named
        ):
            raise DataError(NO_FRAME)
        return np.where(named, 0, -1)
    place_of = {sop: place for place, sop in enumerate(grid.sops)}
    if len(place_of) < grid.shape[0]:
        raise DataError(NO_PLACE)
    return np.array([next((place_of[s] for s in f.sops if s in place_of), -1) for f in frames])


def _is_parallel(frames: Sequence[Frame], plane: Plane) -> bool:
    """Say whether frames have the directions and pixel sizes of the image's slices."""
    way = np.concatenate([plane.row, plane.column])
    return all(
        frame.geometry is not None
        and frame.spacing is not None
        and bool((np.abs(np.array(frame.geometry.orientation) - way) < SAME_WAY).all())
        and bool((np.abs(np.divide(frame.spacing, plane.spacing) - 1) < SAME_SIZE).all())
        for frame in frames
    )


def _looked_up(
    frames: Sequence[Frame],
    read: Callable[[int], Pixels],
    dtype: np.dtype[np.generic],
    grid: Grid,
    step_mm: float,
) -> tuple[Numbers, bool]:
    """Look the image's voxels up in frames of another grid: (D, H, W), and whether any is there."""
    first = frames[0].geometry
    if first is None or grid.plane is None or frames[0].spacing is None:
        raise DataError(NO_PLACE)
    if any(f.geometry is None or f.geometry.orientation != first.orientation for f in frames):
        raise DataError("the frames of the mask lie in several planes")
    positions = np.array([f.geometry.position for f in frames if f.geometry])
    in_plane = positions @ _way(frames[0]).matrix[1:].T
    if np.ptp(in_plane, axis=0).max() > ON_GRID:
        raise DataError("the mask has a grid of its own, and its frames begin at several places")
    places = np.array([float(f.geometry.place) for f in frames if f.geometry])
    different, which = np.unique(np.round(places, 3), return_inverse=True)
    pixels = read(frames[0].index)
    if len(different) * pixels.size > MAX_STACK:
        raise DataError(f"{len(different)} frames of {pixels.shape} are more than can be read")
    stack = np.zeros((len(different), *pixels.shape), dtype=dtype)
    for frame, place in zip(frames, which, strict=True):
        np.maximum(stack[place], read(frame.index).astype(dtype), out=stack[place])
    return _from_stack(stack, different, step_mm, _way(frames[0]), grid)


def _way(frame: Frame) -> Way:
    """Give the way from millimetres to (mm along the normal, row, column) of a frame."""
    geometry, spacing = frame.geometry, frame.spacing
    assert geometry is not None and spacing is not None  # noqa: PT018
    row, column = np.split(np.array(geometry.orientation), 2)
    matrix = np.stack([geometry.normal, column / spacing[0], row / spacing[1]])
    offset = -matrix @ np.array(geometry.position)
    offset[0] = 0
    return Way(matrix, offset)


def _from_stack(
    stack: Numbers, places: Points, step_mm: float, way: Way, grid: Grid
) -> tuple[Numbers, bool]:
    result = np.zeros(grid.shape, dtype=stack.dtype)
    is_met = False
    middles = (places[1:] + places[:-1]) / 2
    assert grid.plane is not None
    slices = coordinates(way, grid.plane, grid.shape)
    for new, (along, down, across) in zip(result, slices, strict=True):
        which = np.searchsorted(middles, along)
        rows, columns = nearest(down), nearest(across)
        inside = np.abs(places[which] - along) <= step_mm / 2 + 1e-3
        for at, n in ((rows, stack.shape[1]), (columns, stack.shape[2])):
            inside = inside & (at >= 0) & (at < n)
        inside = np.broadcast_to(inside, new.shape)
        if not inside.any():
            continue
        is_met = True
        held = np.clip(rows, 0, stack.shape[1] - 1), np.clip(columns, 0, stack.shape[2] - 1)
        new[...] = np.where(inside, stack[which, held[0], held[1]], 0)
    return result, is_met
