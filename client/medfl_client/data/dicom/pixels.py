"""One frame of one DICOM file to one image, right whatever the vendor."""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from medfl_client.data.dicom.frames import Stored, decode, frame_facts, refuse_impossible
from medfl_client.data.dicom.geometry import Array, fit
from medfl_client.data.dicom.grey import luminance, to_colour, to_grey
from medfl_client.data.dicom.numbers import word
from medfl_client.data.dicom.reading import read_image
from medfl_client.data.dicom.spacing import pixel_shape, pixel_spacing
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
    scale = in_plane_scale(facts, stored.shape, images)
    planes = _planes(stored, facts, photometric, images)
    return np.stack([fit(plane, images.size, scale) for plane in planes])


def open_image(path: Path) -> Dataset:
    """Read a file whose image can be decoded within bounds; raises DataError for others."""
    dataset = read_image(path)
    refuse_impossible(dataset, path.stat().st_size)
    return dataset


def in_plane_scale(facts: Dataset, shape: tuple[int, ...], images: Images) -> tuple[float, float]:
    """Give new pixels per old one, down and across: by the plan's spacing, or as large as fits."""
    if images.spacing_mm is not None:
        down, across = pixel_spacing(facts)
        return down / images.spacing_mm, across / images.spacing_mm
    down, across = pixel_shape(facts)
    per_side = images.size / max(shape[0] * down, shape[1] * across)
    return down * per_side, across * per_side


def is_inverted(photometric: str, facts: Dataset) -> bool:
    """Say whether the lowest value is shown white (PS3.3 C.7.6.3.1.2, C.11.6).

    PresentationLUTShape (2050,0020) decides where it says something, as in dcmtk and dcm4che.
    """
    shape = word(facts, "PresentationLUTShape")
    if shape in ("IDENTITY", "INVERSE"):
        return shape == "INVERSE"
    return photometric == "MONOCHROME1"


def _planes(stored: Stored, facts: Dataset, photometric: str, images: Images) -> list[Array]:
    """Give the image's planes, (H, W) in 0..1 each: grey, or red, green and blue."""
    if photometric.startswith("MONOCHROME"):
        grey = to_grey(stored, facts, images.intensity, is_inverted(photometric, facts))
        return [grey] * (3 if images.colour else 1)
    colour = to_colour(stored, facts, photometric)
    if images.colour:
        return [np.ascontiguousarray(colour[:, :, i]) for i in range(3)]
    return [luminance(colour)]
