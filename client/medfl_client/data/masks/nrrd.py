"""NRRD masks, read by pynrrd: whole numbers in the space that the header names."""

import io
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
from medfl_client.data.masks.grid import Grid, Points
from medfl_common.errors import DataError

# What a header calls its axes -> how they become left, back and head (NRRD, "space").
SPACES = {
    "left-posterior-superior": (1, 1, 1), "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1), "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1), "las": (1, -1, 1),
}  # fmt: skip


def read_nrrd(path: Path, grid: Grid, notes: Notes) -> list[Structure]:
    """Read a label map; raises DataError where it is none of this image."""
    try:
        import nrrd
    except ImportError:
        raise DataError("NRRD masks need pynrrd", todo="pip install medfl[nifti]") from None
    content = io.BytesIO(read_bytes(path))
    try:
        header: dict[str, Any] = dict(nrrd.read_header(content))
    except (nrrd.NRRDError, ValueError, KeyError, UnicodeDecodeError):
        raise DataError("no NRRD file, or a damaged one") from None
    affine = _affine(header)
    _refuse_large(header)
    try:
        values = nrrd.read_data(header, content)
    except (nrrd.NRRDError, ValueError, EOFError, OSError):
        raise DataError("the NRRD file is damaged: its content is not what it says") from None
    return structures_in(on_grid(whole_numbers(values), affine, grid, notes))


def _refuse_large(header: dict[str, Any]) -> None:
    if header.get("data file") or header.get("datafile"):
        raise DataError("the mask's values are in another file; save it as one .nrrd file")
    sizes = np.asarray(header.get("sizes", []), dtype=np.float64)
    if len(sizes) != 3:
        raise DataError(f"the mask has {len(sizes)} dimensions; 3 are needed")
    if (sizes < 1).any() or sizes.prod() > MAX_BYTES:
        raise DataError(f"the mask of {'x'.join(f'{n:.0f}' for n in sizes)} is too large")


def _affine(header: dict[str, Any]) -> Points:
    """Give (4, 4) from a voxel's numbers to mm to the left, back and head."""
    space = str(header.get("space", "")).lower()
    directions = np.asarray(header.get("space directions", []), dtype=np.float64)
    origin = np.asarray(header.get("space origin", []), dtype=np.float64)
    if space not in SPACES or directions.shape != (3, 3) or origin.shape != (3,):
        raise DataError("the mask does not say where it lies (space, space directions and origin)")
    signs = np.array(SPACES[space], dtype=np.float64)
    affine = np.eye(4)
    affine[:3, :3] = directions.T * signs[:, None]
    affine[:3, 3] = origin * signs
    return affine
