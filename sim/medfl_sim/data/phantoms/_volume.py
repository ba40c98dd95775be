"""A synthetic volume in the patient's millimetres, and its slices as DICOM files.

Arrays are (D, H, W) with axes to the head, the back and the left: DICOM's z, y and x.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset

from medfl_sim.data.phantoms._hospital import Origin, Person, describe, put_pixels, stamp
from medfl_sim.data.radiograph import Picture

Space = tuple[Picture, Picture, Picture]  # x, y, z of each voxel


@dataclass(frozen=True)
class Box:
    """Where a volume lies in the patient, mm."""

    shape: tuple[int, int, int]  # D, H, W
    spacing_mm: float  # between pixels
    slice_mm: float  # between slices
    centre: tuple[float, float, float]  # x, y, z of the volume's centre
    is_turned: bool = False  # stored with rows to the right and columns to the front

    @property
    def steps(self) -> tuple[float, float, float]:
        """Give millimetres between voxels along z, y and x."""
        return self.slice_mm, self.spacing_mm, self.spacing_mm

    def space(self) -> Space:
        """Give each voxel's x, y and z in mm from the centre, as broadcastable arrays."""
        z, y, x = (
            (np.arange(n, dtype=np.float32) - np.float32((n - 1) / 2)) * np.float32(step)
            for n, step in zip(self.shape, self.steps, strict=True)
        )
        return x[None, None, :], y[None, :, None], z[:, None, None]

    def first_pixel(self, i: int) -> list[float]:
        """Give ImagePositionPatient of slice `i`."""
        sign = -1 if self.is_turned else 1
        depth, height, width = self.shape
        x = self.centre[0] - sign * (width - 1) / 2 * self.spacing_mm
        y = self.centre[1] - sign * (height - 1) / 2 * self.spacing_mm
        z = self.centre[2] + (i - (depth - 1) / 2) * self.slice_mm
        return [round(x, 4), round(y, 4), round(z, 4)]


def slices(
    volume: NDArray[np.integer],
    box: Box,
    origin: Origin,
    person: Person,
    series: int,
    own: dict[str, object],
    bits: int,
    syntax: uid.UID,
) -> Iterator[Dataset]:
    """Give a volume's slices as one series of files, with its highest value as the stamp's."""
    turned = volume[:, ::-1, ::-1].copy() if box.is_turned else volume.copy()
    stamp(turned, turned.max())
    sign = -1 if box.is_turned else 1
    own = {
        **own,
        "FrameOfReferenceUID": origin.uid("frame", person.number, 1),
        "PositionReferenceIndicator": "",
        "ImageOrientationPatient": [sign, 0, 0, 0, sign, 0],
        "PixelSpacing": [box.spacing_mm, box.spacing_mm],
        "SliceThickness": box.slice_mm,
    }
    for i, pixels in enumerate(turned):
        place = {"ImagePositionPatient": box.first_pixel(i)}
        image = describe(origin, person, (1, series, i + 1), {**own, **place})
        put_pixels(image, pixels, "MONOCHROME2", bits, syntax)
        yield image
