"""A synthetic volume in the patient's millimetres, and its slices as DICOM files.

Arrays are (D, H, W) with axes to the head, the back and the left: DICOM's z, y and x.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset

from medfl_sim.data.phantoms._hospital import Origin, Person, describe, put_pixels, stamp
from medfl_sim.data.radiograph import Picture

Kind = TypeVar("Kind", bound=np.generic)
Space = tuple[Picture, Picture, Picture]  # x, y, z of each voxel


@dataclass(frozen=True)
class Box:
    """Where a volume lies in the patient, mm."""

    shape: tuple[int, int, int]  # D, H, W
    spacing_mm: float  # between pixels
    slice_mm: float  # between slices
    centre: tuple[float, float, float]  # x, y, z of the volume's centre
    is_turned: bool = False  # stored with rows to the right and columns to the front
    is_from_head: bool = False  # the first slice is the one nearest to the head
    tilt_deg: float = 0.0  # of all axes about the patient's x: an oblique volume, not sheared

    @property
    def steps(self) -> tuple[float, float, float]:
        """Give millimetres between voxels along z, y and x."""
        return self.slice_mm, self.spacing_mm, self.spacing_mm

    @property
    def down(self) -> tuple[float, float]:
        """Give y and z of the direction to the back; the one to the head is at right angles."""
        angle = np.deg2rad(self.tilt_deg)
        return float(np.cos(angle)), float(np.sin(angle))

    def space(self) -> Space:
        """Give each voxel's x, y and z in mm from the centre, as broadcastable arrays."""
        z, y, x = (
            (np.arange(n, dtype=np.float32) - np.float32((n - 1) / 2)) * np.float32(step)
            for n, step in zip(self.shape, self.steps, strict=True)
        )
        right, back, up = x[None, None, :], y[None, :, None], z[:, None, None]
        if not self.tilt_deg:
            return right, back, up
        cos, sin = map(np.float32, self.down)
        return right, back * cos - up * sin, back * sin + up * cos

    def stored(self, volume: NDArray[Kind]) -> NDArray[Kind]:
        """Give (D, H, W) in the order in which files store it."""
        order = volume[::-1] if self.is_from_head else volume
        return (order[:, ::-1, ::-1] if self.is_turned else order).copy()

    def first_pixel(self, i: int) -> list[float]:
        """Give ImagePositionPatient of the stored slice `i`."""
        sign, (cos, sin) = -1 if self.is_turned else 1, self.down
        depth, height, width = self.shape
        k = depth - 1 - i if self.is_from_head else i
        back = -sign * (height - 1) / 2 * self.spacing_mm
        up = (k - (depth - 1) / 2) * self.slice_mm
        x = self.centre[0] - sign * (width - 1) / 2 * self.spacing_mm
        y = self.centre[1] + back * cos - up * sin
        z = self.centre[2] + back * sin + up * cos
        return [round(x, 4), round(y, 4), round(z, 4)]

    def orientation(self) -> list[float]:
        """Give ImageOrientationPatient: the directions of a row and of a column."""
        if not self.tilt_deg:
            sign = -1 if self.is_turned else 1
            return [sign, 0, 0, 0, sign, 0]
        cos, sin = (round(-part if self.is_turned else part, 9) for part in self.down)
        return [-1 if self.is_turned else 1, 0, 0, 0, cos, sin]


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
    stored = box.stored(volume)
    stamp(stored, stored.max())
    own = {
        **own,
        "FrameOfReferenceUID": origin.uid("frame", person.number, 1),
        "PositionReferenceIndicator": "",
        "ImageOrientationPatient": box.orientation(),
        "PixelSpacing": [box.spacing_mm, box.spacing_mm],
        "SliceThickness": box.slice_mm,
    }
    for i, pixels in enumerate(stored):
        place = {"ImagePositionPatient": box.first_pixel(i)}
        image = describe(origin, person, (1, series, i + 1), {**own, **place})
        put_pixels(image, pixels, "MONOCHROME2", bits, syntax)
        yield image
