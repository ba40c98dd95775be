"""Outlines as NIfTI, or as PNG: each class is its place in the plan, the background 0."""

import gzip
import io

import numpy as np

from medfl_client.data.masks.grid import Grid, Labels, Plane, Points
from medfl_client.data.masks.nifti import TO_DICOM
from medfl_common.errors import DataError

UNEVEN_MM = 0.1  # so far from its place on a line a slice may lie


def as_nifti(labels: Labels, grid: Grid) -> bytes:
    """Write labels (D, H, W) as a packed NIfTI-1 in the patient's space.

    Raises DataError where one affine cannot say where the slices lie.
    """
    import nibabel

    if grid.plane is None:
        raise DataError("NIfTI needs to know where the image lies, and nobody says it")
    affine = TO_DICOM @ _affine(grid.plane)
    make: type = nibabel.Nifti1Image
    image = make(labels.transpose(2, 1, 0), affine)
    image.header.set_xyzt_units("mm")
    return gzip.compress(image.to_bytes(), mtime=0)


def _affine(plane: Plane) -> Points:
    """Give (4, 4) from (column, row, slice) to mm to the patient's left, back and head."""
    origins = plane.origins
    n = len(origins)
    step = (origins[-1] - origins[0]) / (n - 1) if n > 1 else plane.normal * plane.step_mm
    off = origins - origins[0] - np.arange(n)[:, None] * step
    if np.abs(off).max() > UNEVEN_MM:
        raise DataError("the slices are not evenly apart, which NIfTI cannot say; DICOM SEG can")
    affine = np.eye(4)
    ways = (plane.row * plane.spacing[1], plane.column * plane.spacing[0], step, origins[0])
    affine[:3] = np.stack(ways, axis=1)
    return affine


def as_png(labels: Labels) -> bytes:
    """Write labels (1, H, W) as a grey picture; raises DataError for a volume."""
    from PIL import Image

    if len(labels) != 1:
        raise DataError("PNG holds one image, and this is a volume: --as nifti or dicom-seg")
    content = io.BytesIO()
    Image.fromarray(labels[0]).save(content, "PNG")
    return content.getvalue()
