"""One DICOM file to one grey picture, right whatever the vendor.

The order of steps is that of DICOM PS3.4 annex N.2: stored values, modality transformation
(PS3.3 C.11.1: rescale or lookup table), values of interest (C.11.2: window or lookup table), then
the photometric interpretation (C.7.6.3.1.2: MONOCHROME1 shows the lowest value white).
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi, apply_windowing
from torch.nn.functional import interpolate, pad

from medfl_common.errors import DataError
from medfl_common.plan import DicomWindow, FixedWindow, Images

Picture = NDArray[np.float32]

MAX_PIXELS = 64_000_000  # of one picture, before decoding; a mammogram has 15 million


def read_picture(path: Path, images: Images) -> Picture:
    """Read one file as (images.size, images.size) float32 in 0..1, black to white.

    Raises DataError naming the tag and the value where the file is not one grey picture.
    """
    dataset = dcmread(path)
    _refuse_other_than_one_grey_picture(dataset)
    grey = apply_modality_lut(dataset.pixel_array, dataset).astype(np.float64)
    picture = _window(grey, dataset, images)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        picture = 1.0 - picture
    return fit(picture.astype(np.float32), images.size)


def fit(picture: Picture, size: int) -> Picture:
    """Shrink or enlarge (H, W) to fit (size, size), keeping its shape; pad with black."""
    height, width = picture.shape
    scale = size / max(height, width)
    shape = (max(1, round(height * scale)), max(1, round(width * scale)))
    tensor = torch.from_numpy(np.ascontiguousarray(picture))[None, None]
    small = interpolate(tensor, size=shape, mode="bilinear", antialias=True, align_corners=False)
    top, left = (size - shape[0]) // 2, (size - shape[1]) // 2
    padded = pad(small, (left, size - shape[1] - left, top, size - shape[0] - top))
    return padded[0, 0].clamp(0, 1).numpy()


def _refuse_other_than_one_grey_picture(dataset: Dataset) -> None:
    if "PixelData" not in dataset:
        raise DataError("no PixelData (7FE0,0010)")
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise DataError(f"PhotometricInterpretation is {photometric!r}; only grey is supported yet")
    n_frames = int(dataset.get("NumberOfFrames") or 1)
    if n_frames != 1:
        raise DataError(f"NumberOfFrames is {n_frames}; only single pictures are supported yet")
    n_pixels = int(dataset.Rows) * int(dataset.Columns)
    if n_pixels > MAX_PIXELS:
        raise DataError(f"Rows x Columns is {n_pixels}, above the limit of {MAX_PIXELS}")


def _window(grey: NDArray[np.float64], dataset: Dataset, images: Images) -> NDArray[np.float64]:
    """Map grey values to 0..1 by the plan's rule."""
    rule = images.intensity
    if isinstance(rule, FixedWindow):
        low, high = rule.centre - rule.width / 2, rule.centre + rule.width / 2
    elif isinstance(rule, DicomWindow):
        return _dicom_window(grey, dataset)
    else:
        low, high = (float(np.percentile(grey, part)) for part in (rule.low, rule.high))
    return _stretch(grey, low, high)


def _dicom_window(grey: NDArray[np.float64], dataset: Dataset) -> NDArray[np.float64]:
    """Use the file's first VOI lookup table or window; without one, the picture's own range."""
    if "VOILUTSequence" in dataset:
        highest = 2 ** int(dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1
        return _stretch(apply_voi(grey.astype(np.int64), dataset).astype(np.float64), 0, highest)
    if dataset.get("WindowWidth") in (None, ""):
        return _stretch(grey, float(grey.min()), float(grey.max()))
    far = np.array([-1e12, 1e12])  # what pydicom makes of these is its black and its white
    black, white = apply_windowing(far, dataset)
    return _stretch(apply_windowing(grey, dataset), float(black), float(white))


def _stretch(grey: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Map low..high to 0..1 and clip."""
    if not np.isfinite(grey).all() or not high > low or grey.min() == grey.max():
        raise DataError("the picture is constant or not finite")
    return np.clip((grey - low) / (high - low), 0.0, 1.0)
