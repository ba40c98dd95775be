"""NIfTI masks, read by nibabel: whole numbers in the space of the image (RAS, millimetres)."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from medfl_client.data.masks.content import Notes, Structure
from medfl_client.data.masks.grey_values import (
    MAX_BYTES,
    on_grid,
    read_bytes,
    structures_in,
    whole_numbers,
)
from medfl_client.data.masks.grid import Grid
from medfl_common.errors import DataError

GZIP = b"\x1f\x8b"
TO_DICOM = np.diag([-1.0, -1.0, 1.0, 1.0])  # right and front to left and back


def read_nifti(path: Path, grid: Grid, notes: Notes) -> list[Structure]:
    """Read a label map; raises DataError where it is none of this image.

    One without a place lies where a NIfTI image of its shape lies that has none either.
    """
    image = load(read_bytes(path))
    shape = image.shape
    if len(shape) == 4 and shape[3] == 1:
        shape = shape[:3]
    if len(shape) != 3:
        raise DataError(f"the mask has {len(shape)} dimensions; 3 are needed")
    if not is_placed(image) and shape != grid.unplaced:
        raise DataError("the mask does not say where it lies (sform_code and qform_code are 0)")
    values = np.asarray(image.dataobj).reshape(shape)
    affine = TO_DICOM @ np.asarray(image.affine, dtype=np.float64)
    return structures_in(on_grid(whole_numbers(values), affine, grid, notes))


def is_placed(image: Any) -> bool:
    """Say whether a header gives a place; nibabel makes one up where it does not."""
    return bool(image.header["sform_code"] or image.header["qform_code"])


def load(content: bytes) -> Any:
    """Open NIfTI-1 or NIfTI-2, plain or packed; raises DataError for anything else."""
    try:
        import nibabel
    except ImportError:
        raise DataError("NIfTI masks need nibabel", todo="pip install medfl[nifti]") from None
    if content.startswith(GZIP):
        content = inflated(content)
    kinds: list[Any] = [nibabel.Nifti1Image, nibabel.Nifti2Image]
    for kind in kinds:
        try:
            image = kind.from_bytes(content)
        except (ValueError, EOFError, OSError, nibabel.filebasedimages.ImageFileError):
            continue
        except nibabel.spatialimages.HeaderDataError:
            continue
        if int(np.prod(image.shape, dtype=np.float64)) * 8 > 8 * MAX_BYTES:
            raise DataError(f"the mask of {image.shape} is too large")
        return image
    raise DataError("no NIfTI file, or a damaged one")


def inflated(content: bytes) -> bytes:
    """Unpack gzip within bounds; raises DataError where there is more, or where it is damaged."""
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        unpacked = stream.decompress(content, MAX_BYTES)
    except zlib.error:
        raise DataError("the packed mask is damaged") from None
    if not stream.eof:
        if len(unpacked) >= MAX_BYTES:
            raise DataError(f"the mask has more than {MAX_BYTES // 2**20} MB when unpacked")
        raise DataError("the packed mask is damaged: it ends too early")
    return unpacked
