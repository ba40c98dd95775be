"""How the sandbox writes outlines: a source and shares of classes to the bytes of a mask file.

A source's headers are read again for it, so this goes on where all foreign files are read.
"""

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medfl_client.data.dicom.fault import UNNAMED
from medfl_client.data.masks.as_file import as_nifti, as_png
from medfl_client.data.masks.as_seg import as_seg, read_source, write_small
from medfl_client.data.masks.as_sr import as_sr
from medfl_client.data.masks.author import Author
from medfl_client.data.masks.back import from_plan, part_seen
from medfl_client.data.masks.grid import Grid, Labels, Plane
from medfl_client.data.reader import DicomReader, Source
from medfl_client.data.sandbox import Work
from medfl_common.errors import DataError, MedflError
from medfl_common.plan.images import Images

Kind = Literal["dicom-seg", "nifti", "png"]
EXTENSIONS: dict[Kind, str] = {"dicom-seg": ".dcm", "nifti": ".nii.gz", "png": ".png"}
MAX_FILE = 2**30  # bytes
_HEAD = struct.Struct("<dQ")  # the part seen, the bytes of the mask file


@dataclass(frozen=True, slots=True)
class Outline:
    """What a network said of one source."""

    source: Source
    shares: NDArray[np.float16]  # (K, [D,] S, S) of classes on the plan's grid, 0..1


@dataclass(frozen=True)
class Written:
    """A mask file, and what is in it."""

    content: bytes
    report: bytes  # DICOM SR with the volumes; empty: none goes with these files
    voxels: tuple[int, ...]  # of each class on the image's own grid
    ml: tuple[float, ...]  # likewise; NaN: the file says no volume
    seen: float  # the part of the image that the plan's grid reaches, 0..1


def write_work(kind: Kind, images: Images, classes: Sequence[str], author: Author) -> Work[
    Outline, Written
]:  # fmt: skip
    """Say how the sandbox writes outlines into one kind of file."""
    return Work(
        do=partial(_write, kind, images, tuple(classes), author),
        accept=partial(_accept, len(classes)),
        files=_files,
        setup=partial(_ready, kind),
        max_bytes=MAX_FILE,
    )


def _ready(kind: Kind) -> bool:
    """Import what writing needs; True: the worker can be locked then."""
    can_be_locked = DicomReader().prepare()
    labels = np.ones((1, 1, 1), dtype=np.uint8)
    if kind == "dicom-seg":
        write_small()
    elif kind == "png":
        as_png(labels)
    else:
        plane = Plane(np.zeros((1, 3)), np.eye(3)[0], np.eye(3)[1], (1.0, 1.0))
        as_nifti(labels, Grid(labels.shape, Dataset(), plane))
    return can_be_locked


def _files(job: Outline) -> list[Path]:
    return [Path("/") / row.path for row in job.source.rows]


def _write(
    kind: Kind, images: Images, classes: tuple[str, ...], author: Author, job: Outline
) -> bytes:
    """Answer in bytes: the part seen, voxels and ml of each class, the file, its report."""
    try:
        grid = DicomReader().grid(Path("/"), job.source)
        labels = from_plan(job.shares, grid, images)
        counts = np.stack([np.bincount(part.ravel(), minlength=len(classes)) for part in labels])
        ml = grid.voxel_ml() @ counts
        content, report = _content(kind, labels, ml, grid, _files(job), classes, author)
    except (MedflError, OSError, MemoryError):
        raise
    except Exception:  # whatever a library makes of headers
        raise DataError(UNNAMED) from None
    numbers = np.concatenate([counts.sum(axis=0), ml]).astype("<f8")
    head = _HEAD.pack(part_seen(grid, images), len(content))
    return head + numbers.tobytes() + content + report


def _content(
    kind: Kind,
    labels: Labels,
    ml: NDArray[np.float64],
    grid: Grid,
    paths: list[Path],
    classes: tuple[str, ...],
    author: Author,
) -> tuple[bytes, bytes]:
    if kind != "dicom-seg":
        return as_nifti(labels, grid) if kind == "nifti" else as_png(labels), b""
    sources = [*map(read_source, paths)]
    seg = as_seg(labels, grid, sources, classes, author)
    content = io.BytesIO()
    seg.save_as(content, enforce_file_format=True)
    has_volumes = not np.isnan(ml).any()
    report = as_sr(seg, sources, classes, ml.tolist(), author) if has_volumes else b""
    return content.getvalue(), report


def _accept(n_classes: int, job: Outline, body: memoryview) -> Written:
    """Take an answer; raises ValueError where it is anything else."""
    seen, n_bytes = _HEAD.unpack_from(body)
    start = _HEAD.size + 16 * n_classes
    voxels, ml = np.frombuffer(body[_HEAD.size : start], dtype="<f8").reshape(2, n_classes)
    if not (0 <= seen <= 1 and (voxels >= 0).all()) or (ml < 0).any():
        raise ValueError("counts that no image has")
    content, report = bytes(body[start : start + n_bytes]), bytes(body[start + n_bytes :])
    return Written(content, report, tuple(map(int, voxels.tolist())), tuple(ml.tolist()), seen)
