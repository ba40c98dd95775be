"""One frame of one DICOM file to one image, right whatever the vendor."""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from medfl_client.data.dicom.frames import Stored, decode, frame_facts, refuse_impossible
from medfl_client.data.dicom.geometry import Array, fit
from medfl_client.data.dicom.grey import luminance, to_colour, to_grey
from medfl_client.data.dicom.reading import read_image
from medfl_common.errors import DataError
from medfl_common.plan.images import Images


def load_image(path: Path, images: Images, frame: int = 0) -> Array:
    """Read one frame as (1 or 3, images.size, images.size) float32 in 0..1, black to white.

    Three channels only where the plan keeps colour. Raises DataError naming the tag and the value
    where the file gives no such picture.
    """
    dataset = open_image(path)
    facts = frame_facts(dataset, frame)
    stored, photometric = decode(dataset, frame)
    return to_image(stored, photometric, facts, images)


def to_image(stored: Stored, photometric: str, facts: Dataset, images: Images) -> Array:
    """Turn stored values, (H, W) or (H, W, 3), into the image that `load_image` gives.

    Args:
        stored: What a decoder gave.
        photometric: What it means, in DICOM's words, such as MONOCHROME2 or RGB.
        facts: The attributes that hold for this frame; spacing and windows are looked for here.
        images: The plan's images.
    """
    scale = in_plane_scale(facts, images)
    planes = _planes(stored, facts, photometric, images)
    return np.stack([fit(plane, images.size, scale) for plane in planes])


def open_image(path: Path) -> Dataset:
    """Read a file whose image can be decoded within bounds; raises DataError for others."""
    dataset = read_image(path)
    refuse_impossible(dataset, path.stat().st_size)
    return dataset


def in_plane_scale(facts: Dataset, images: Images) -> tuple[float, float] | None:
    """Give new pixels per old one, down and across; None where the plan has no spacing."""
    if images.spacing_mm is None:
        return None
    down, across = pixel_spacing(facts)
    return down / images.spacing_mm, across / images.spacing_mm


def pixel_spacing(facts: Dataset) -> tuple[float, float]:
    """Give the mm from row to row and from column to column; raises DataError without them."""
    spacing = facts.get("PixelSpacing") or facts.get("ImagerPixelSpacing")
    if not spacing or len(spacing) != 2 or not all(0.001 < float(mm) < 100 for mm in spacing):
        raise DataError(
            f"PixelSpacing (0028,0030) is {spacing or 'missing'}; the plan resamples to millimetres"
        )
    return float(spacing[0]), float(spacing[1])


def _planes(stored: Stored, facts: Dataset, photometric: str, images: Images) -> list[Array]:
    """Give the image's planes, (H, W) in 0..1 each: grey, or red, green and blue."""
    if photometric.startswith("MONOCHROME"):
        grey = to_grey(stored, facts, images.intensity, photometric == "MONOCHROME1")
        return [grey] * (3 if images.colour else 1)
    colour = to_colour(stored, facts, photometric)
    if images.colour:
        return [np.ascontiguousarray(colour[:, :, i]) for i in range(3)]
    return [luminance(colour)]
