"""PNG masks: grey values, or places in the palette, of a picture with the image's pixels."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfl_client.config.mask_files import MaskFiles
from medfl_client.data.dicom.frames import MAX_PIXELS
from medfl_client.data.masks.content import Notes, Structure
from medfl_client.data.masks.grey_values import read_bytes, structures_in, whole_numbers
from medfl_client.data.masks.grid import Grid
from medfl_common.errors import DataError

Numbers = NDArray[np.generic]


def read_png(path: Path, grid: Grid, rules: MaskFiles, notes: Notes) -> list[Structure]:
    """Read a mask of a 2D image; raises DataError where it has other pixels than it should."""
    values = _values(read_bytes(path))
    if grid.shape[0] != 1:
        raise DataError("a PNG mask is of one image, not of a volume")
    if values.shape != grid.shape[1:]:
        if rules.size == "same":
            raise DataError(
                f"the mask has {values.shape[0]} x {values.shape[1]} pixels, the image "
                f"{grid.shape[1]} x {grid.shape[2]} (data.masks.size: any stretches it)"
            )
        values = _stretched(values, grid.shape[1:])
        notes["mask was stretched to the image's pixels"] += 1
    return structures_in(whole_numbers(values)[None])


def _values(content: bytes) -> Numbers:
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(f"the mask has more than {MAX_PIXELS} pixels")
            mode, values = image.mode, np.asarray(image)
    except (UnidentifiedImageError, Image.DecompressionBombError):
        raise DataError("no PNG image") from None
    except (OSError, SyntaxError, ValueError):
        raise DataError("the PNG image is damaged") from None
    if values.ndim == 3:
        values = _one_channel(values, mode)
    return values


def _one_channel(values: Numbers, mode: str) -> Numbers:
    """Take the grey of a picture that is stored as colour; raises DataError for real colours."""
    colours = values[..., :-1] if mode in ("LA", "RGBA") else values
    if (colours != colours[..., :1]).any():
        raise DataError("the mask is in colour; grey values, or a palette, are names")
    return np.asarray(colours[..., 0])


def _stretched(values: Numbers, shape: tuple[int, ...]) -> Numbers:
    """Take the nearest pixels."""
    rows, columns = (
        np.minimum((np.arange(new) + 0.5) * old / new, old - 1).astype(np.int64)
        for new, old in zip(shape, values.shape, strict=True)
    )
    return np.asarray(values[rows[:, None], columns])
