"""An image's own grid: where its pixels lie, and the one way from there to the plan's grid."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medfl_client.data.dicom.geometry import Array, centred, fit
from medfl_client.data.dicom.layout import Layout, placed, resize_in_plane
from medfl_client.data.dicom.numbers import first_number
from medfl_client.data.dicom.pixels import in_plane_scale
from medfl_client.data.dicom.plane import Places
from medfl_client.data.dicom.series import Slice, layout_of
from medfl_client.data.dicom.spacing import known_spacing
from medfl_common.errors import DataError
from medfl_common.plan.images import Images
from medfl_common.plan.task import UNKNOWN_VOXEL

Labels = NDArray[np.uint8]
Points = NDArray[np.float64]
THIN_MM = 1.0  # a single slice that says nothing of it holds what is half of this around it


@dataclass(frozen=True)
class Plane:
    """Where slices lie in the patient: millimetres to the left, back and head."""

    origins: Points  # (D, 3) centre of each slice's first pixel
    row: Points  # (3,) the way from column to column
    column: Points  # (3,) the way from row to row
    spacing: tuple[float, float]  # mm from row to row, from column to column
    thick_mm: float = THIN_MM  # of a single slice

    @cached_property
    def normal(self) -> Points:
        """Give the way from slice to slice."""
        return np.cross(self.row, self.column)

    @cached_property
    def places(self) -> Places:
        """Give where the slices lie along their normal, mm, ascending."""
        return np.asarray(self.origins @ self.normal)

    @cached_property
    def step_mm(self) -> float:
        """Give the mm from slice to slice."""
        steps = np.diff(self.places)
        return float(np.median(steps)) if len(steps) else self.thick_mm


@dataclass(frozen=True)
class Grid:
    """The grid of a source: (D, H, W) voxels as its files have them; D is 1 for an image."""

    shape: tuple[int, int, int]
    facts: Dataset  # its spacing, as its files say it
    plane: Plane | None = None  # None: nobody says where the image lies
    layout: Layout | None = None  # of a volume
    sops: tuple[str, ...] = field(default=())  # of each slice
    frames: tuple[int, ...] = field(default=())  # of each slice in its file; an only one needs none
    frame_uid: str = ""
    unplaced: tuple[int, ...] = ()  # shape of a NIfTI image that does not say where it lies

    def to_plan(self, labels: Labels, n_classes: int, images: Images) -> Labels:
        """Take labels (D, H, W) to the plan's grid by the image's own resampling.

        Each class is a picture of 0 and 1 that goes where the image goes; the largest share wins, a
        draw goes to the lower class. UNKNOWN_VOXEL is a class of its own. What lies outside the
        image is background, 0.
        """
        best, result = np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.uint8)
        for label in (*range(n_classes), UNKNOWN_VOXEL):
            is_label = labels == label
            if not is_label.any():
                continue
            share = self.resampled(is_label, images)
            if not best.size:
                best, result = np.zeros_like(share), np.zeros(share.shape, dtype=np.uint8)
            is_more = share > best
            result[is_more] = label
            np.maximum(best, share, out=best)
        return result

    def resampled(self, values: NDArray[np.generic], images: Images) -> Array:
        """Take numbers in 0..1 (D, H, W) to the plan's grid, as the image goes."""
        if self.layout is None:
            scale = in_plane_scale(self.facts, self.shape[1:], images)
            return fit(values[0].astype(np.float32), images.size, scale)
        first = resize_in_plane(values[0].astype(np.float32), self.facts, images)
        slices = np.empty((len(values), *first.shape), dtype=np.float32)
        for new, one in zip(slices, values, strict=True):
            new[...] = resize_in_plane(one.astype(np.float32), self.facts, images)
        share = placed(slices, self.layout, images, outside=0)
        return centred(share, images.held(share.shape))

    def voxel_ml(self) -> NDArray[np.float64]:
        """Give the volume of a voxel of each slice, (D,); NaN where nobody says it."""
        spacing = known_spacing(self.facts)
        if self.layout is None or spacing is None:
            return np.full(self.shape[0], np.nan)
        return np.gradient(self.layout.places) * spacing[0] * spacing[1] / 1000


def grid_of_slices(
    slices: Sequence[Slice], places: Places, files: Sequence[tuple[str, int]], frame_uid: str
) -> Grid:
    """Give the grid of a volume whose slices are in order; `files`: (SOP, frame) of each."""
    first = slices[0]
    return Grid(
        shape=(len(slices), first.shape[0], first.shape[1]),
        facts=first.facts,
        plane=plane_of(slices),
        layout=layout_of(slices, places),
        sops=tuple(sop for sop, _ in files),
        frames=tuple(frame for _, frame in files),
        frame_uid=frame_uid,
    )


def plane_of(slices: Sequence[Slice]) -> Plane | None:
    """Say where slices lie; None where the size of a pixel is unknown."""
    spacing = known_spacing(slices[0].facts)
    if spacing is None:
        return None
    row, column = np.split(np.array(slices[0].geometry.orientation), 2)
    origins = np.array([part.geometry.position for part in slices])
    return Plane(origins, row, column, spacing, _thickness(slices[0].facts))


def _thickness(facts: Dataset) -> float:
    """Give the mm that a slice stands for: to the next one, else its own."""
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        with suppress(DataError):
            if mm := abs(first_number(facts, keyword) or 0.0):
                return mm
    return THIN_MM
