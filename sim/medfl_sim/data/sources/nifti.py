"""NIfTI volumes, read by nibabel; each is its own patient, unless a CSV column names one.

A volume is turned to the axes of DICOM's patient: slices to the head, rows to the back, columns to
the left. Values are scaled by the file's slope and intercept: Hounsfield units where it has them.
In 2D plans every slice is an image, or the middle one (`frames`).
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medfl_client.data.dicom.geometry import Array
from medfl_client.data.dicom.header import Row, Rules, pseudonym
from medfl_client.data.dicom.layout import Layout, resize_in_plane
from medfl_client.data.dicom.pixels import to_image
from medfl_client.data.dicom.series import to_volume
from medfl_client.data.masks.grid import Grid, Plane
from medfl_client.data.masks.nifti import is_placed
from medfl_client.data.reader import ALL_FRAMES, Source
from medfl_common.errors import DataError
from medfl_common.plan.images import Images
from medfl_sim.data.sources import OTHER, SOURCES

MAX_BYTES = 1 * 2**30  # of one volume as float32


@SOURCES.register("nifti")
@dataclass(frozen=True)
class NiftiReader:
    """Reads .nii and .nii.gz."""

    name: str = "nifti"

    def rows(self, path: Path, name: str, rules: Rules) -> list[Row]:
        """Read the header; raises DataError for another kind of file."""
        facts = path.stat()
        image = _load(path)
        (width, height, depth), zooms = image.shape[:3], image.header.get_zooms()
        row = Row(
            path=name,
            size=facts.st_size,
            mtime_ns=facts.st_mtime_ns,
            sop=name,
            series=name,
            study=name,
            patient=pseudonym(rules.secret, name),
            modality=OTHER,
            height=int(height),
            width=int(width),
            frames=int(depth),
            photometric="MONOCHROME2",
            spacing_mm=float(zooms[1]),
            slice_mm=float(zooms[2]),
            orientation="1\\0\\0\\0\\1\\0",  # slices are read from feet to head
        )
        return [row]

    def prepare(self) -> bool:
        """Leave the worker free to open files and to import: these are a researcher's own."""
        return False

    def image(self, folder: Path, source: Source, images: Images) -> Array:
        """Read one slice, or the volume."""
        if source.position is not None:
            raise DataError("medfl reads candidates from DICOM series; this is a NIfTI file")
        row = source.rows[0]
        volume, (step, down, across) = _upright(folder / row.path, row.mtime_ns)
        facts = Dataset()
        facts.PixelSpacing = [down, across]
        if images.dimensions == 2:
            return to_image(volume[source.frame], "MONOCHROME2", facts, images)
        slices = np.stack([resize_in_plane(part, facts, images) for part in volume])
        return to_volume(slices, _layout(volume.shape, step, facts), facts, images)

    def grid(self, folder: Path, source: Source) -> Grid:
        """Read where the volume lies, or one slice of it."""
        row = source.rows[0]
        plane, (depth, height, width), step = _plane(folder / row.path)
        image = _load(folder / row.path)
        unplaced = () if is_placed(image) else image.shape
        facts = Dataset()
        facts.PixelSpacing = list(plane.spacing)
        layout = _layout((depth, height, width), step, facts)
        if source.frame == ALL_FRAMES:
            return Grid((depth, height, width), facts, plane, layout, unplaced=unplaced)
        plane = replace(plane, origins=plane.origins[[source.frame]])
        return Grid((1, height, width), facts, plane, unplaced=unplaced)


def _load(path: Path) -> Any:
    try:
        import nibabel
    except ImportError:
        raise DataError("NIfTI needs nibabel", todo="pip install nibabel") from None
    try:
        image: Any = nibabel.load(path)  # the header; voxels are read later
    except (nibabel.filebasedimages.ImageFileError, EOFError):
        raise DataError("no NIfTI file") from None
    if len(image.shape) != 3:
        raise DataError(f"the volume has {len(image.shape)} dimensions; medfl reads 3")
    if int(np.prod(image.shape, dtype=np.int64)) * 4 > MAX_BYTES:
        raise DataError(f"the volume of {image.shape} is larger than {MAX_BYTES // 2**20:,} MB")
    return image


def _layout(shape: tuple[int, ...], step_mm: float, facts: Dataset) -> Layout:
    return Layout(shape[1:], facts, np.arange(shape[0], dtype=np.float64) * step_mm)


def _plane(path: Path) -> tuple[Plane, tuple[int, int, int], float]:
    """Say where the volume that `_upright` gives lies, its shape, and the mm between slices."""
    import nibabel

    to_canonical: Any = nibabel.as_closest_canonical
    image = to_canonical(_load(path))
    (width, height, depth), zooms = image.shape, image.header.get_zooms()
    to_dicom = np.diag([-1.0, -1, 1, 1]) @ image.affine  # left, back, head
    across, down, up = to_dicom[:3, :3].T
    first = to_dicom[:3, 3] + across * (width - 1) + down * (height - 1)
    return (
        Plane(
            origins=first + np.arange(depth)[:, None] * up,
            row=-across / np.linalg.norm(across),
            column=-down / np.linalg.norm(down),
            spacing=(float(zooms[1]), float(zooms[0])),
        ),
        (depth, height, width),
        float(zooms[2]),
    )


@lru_cache(maxsize=1)
def _upright(path: Path, mtime_ns: int) -> tuple[NDArray[np.float32], tuple[float, float, float]]:
    """Return (D, H, W) to head, back and left, and the mm between slices, rows and columns."""
    import nibabel

    to_canonical: Any = nibabel.as_closest_canonical
    image = to_canonical(_load(path))  # axes to right, front and head
    right_front_head = np.asarray(image.get_fdata(dtype=np.float32))
    volume = np.ascontiguousarray(right_front_head.transpose(2, 1, 0)[:, ::-1, ::-1])
    across, down, step = (float(mm) for mm in image.header.get_zooms()[:3])
    return volume, (step, down, across)
