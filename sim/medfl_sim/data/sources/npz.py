"""NumPy archives in the form of MedMNIST: `train_images`, `train_labels`, and so on.

Yang et al.: MedMNIST v2. Sci Data 10:41 (2023). Arrays `PREFIX_images` are (N, H, W) or
(N, H, W, 3) of 8 or 16 bits, `PREFIX_labels` (N, 1), or (N, K) of 0 and 1 for K findings. A site
file for them has `labels_from: file`; labels are the numbers as text, findings are joined by |,
with `none` for none. `PREFIX_patients` (N,), text or integers, says whose the images are: MedMNIST
has none, so there each image is of a patient of its own. An image's name is
`FILE.npz#PREFIX/000017`.
"""

import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfl_client.data.dicom.geometry import Array
from medfl_client.data.dicom.header import Row, Rules, pseudonym
from medfl_client.data.labels import NONE
from medfl_client.data.masks.grid import Grid
from medfl_client.data.reader import Source
from medfl_common.errors import DataError
from medfl_common.plan.images import Images
from medfl_sim.data.sources import OTHER, SOURCES, to_window

MAX_BYTES = 1 * 2**30  # of the arrays of one archive
IMAGES = "images"


@SOURCES.register("npz")
@dataclass(frozen=True)
class NpzReader:
    """Reads archives of many images."""

    name: str = "npz"

    def rows(self, path: Path, name: str, rules: Rules) -> list[Row]:
        """Make a row for each image; raises DataError for another kind of file."""
        if not zipfile.is_zipfile(path):
            raise DataError("no npz archive")
        with zipfile.ZipFile(path) as archive:
            prefixes = [n.removesuffix(f"{IMAGES}.npy") for n in archive.namelist()]
            prefixes = [p for p, n in zip(prefixes, archive.namelist(), strict=True) if p != n]
        if not prefixes:
            raise DataError(f"no array whose name ends in {IMAGES}")
        return [row for prefix in prefixes for row in _rows(path, name, prefix, rules)]

    def grid(self, folder: Path, source: Source) -> Grid:
        """Refuse: medfl reads no masks for archives."""
        raise DataError("medfl reads no masks for the images of an npz archive")

    def prepare(self) -> bool:
        """Leave the worker free to open files and to import: these are a researcher's own."""
        return False

    def image(self, folder: Path, source: Source, images: Images) -> Array:
        """Take one image out of its array."""
        if images.dimensions == 3:
            raise DataError("medfl reads no volumes from npz; the plan has dimensions: 3")
        row = source.rows[0]
        prefix, _, number = row.item.rpartition("/")
        array = _array(folder / row.path, row.mtime_ns, f"{prefix}_{IMAGES}" if prefix else IMAGES)
        used = _used_range(folder / row.path, row.mtime_ns) if array.dtype.itemsize > 1 else None
        return to_window(array[int(number)], images, used)


def _rows(path: Path, name: str, prefix: str, rules: Rules) -> list[Row]:
    facts = path.stat()
    pictures = _array(path, facts.st_mtime_ns, f"{prefix}{IMAGES}")
    if pictures.dtype not in (np.uint8, np.uint16) or pictures.ndim not in (3, 4):
        raise DataError(f"{prefix}{IMAGES} is {pictures.dtype} {pictures.shape}; not images")
    if not len(pictures):
        raise DataError(f"{prefix}{IMAGES} has no images")
    labels = _beside(path, f"{prefix}labels", len(pictures))
    labels = np.full((len(pictures), 0), 0) if labels is None else labels
    patients = _beside(path, f"{prefix}patients", len(pictures))
    if patients is not None and (patients.ndim != 1 or patients.dtype.kind not in "iuU"):
        raise DataError(f"{prefix}patients is {patients.dtype} {patients.shape}; not one per image")
    folder = prefix.rstrip("_")
    rows = []
    for i, (image, label) in enumerate(zip(pictures, labels, strict=True)):
        item = f"{folder}/{i:06d}"
        is_grey = image.ndim == 2
        rows.append(
            Row(
                path=name,
                item=item,
                size=facts.st_size,
                mtime_ns=facts.st_mtime_ns,
                sop=f"{name}#{item}",
                patient=pseudonym(
                    rules.secret, f"{name}#{item}" if patients is None else str(patients[i])
                ),
                modality=OTHER,
                height=image.shape[0],
                width=image.shape[1],
                samples=1 if is_grey else 3,
                bits=8 * image.dtype.itemsize,
                photometric="MONOCHROME2" if is_grey else "RGB",
                tag_label=_label(np.atleast_1d(label)),
            )
        )
    return rows


def _beside(path: Path, key: str, n_images: int) -> NDArray[np.generic] | None:
    """Read an array with an entry for each image; None where there is none."""
    with np.load(path, allow_pickle=False) as archive:
        if key not in archive.files:
            return None
        try:
            array: NDArray[np.generic] = archive[key]
        except ValueError:  # numpy would have to run what the file says
            raise DataError(f"{key} holds Python objects, which medfl does not read") from None
    if array.shape[:1] != (n_images,):
        raise DataError(f"{key} is {array.dtype} {array.shape}; not one per image")
    return array


def _label(label: NDArray[np.generic]) -> str:
    if len(label) <= 1:
        return str(int(label[0])) if len(label) else ""
    return "|".join(str(k) for k in np.flatnonzero(label)) or NONE


@lru_cache(maxsize=8)
def _used_range(path: Path, mtime_ns: int) -> tuple[int, int]:
    """Return the lowest and highest value of all images of an archive."""
    with zipfile.ZipFile(path) as archive:
        keys = [name.removesuffix(".npy") for name in archive.namelist()]
    ends = [
        (int(array.min()), int(array.max()))
        for array in (_array(path, mtime_ns, key) for key in keys if key.endswith(IMAGES))
        if array.size
    ]
    return min(low for low, _ in ends), max(high for _, high in ends)


@lru_cache(maxsize=2)
def _array(path: Path, mtime_ns: int, key: str) -> NDArray[np.generic]:
    """Read one array and cache it, because a worker takes its images one by one."""
    with zipfile.ZipFile(path) as archive:
        n_bytes = archive.getinfo(f"{key}.npy").file_size
    if n_bytes > MAX_BYTES:
        raise DataError(f"{key} has {n_bytes / 2**20:,.0f} MB, above {MAX_BYTES // 2**20:,}")
    with np.load(path, allow_pickle=False) as arrays:
        array: NDArray[np.generic] = arrays[key]
    return array
