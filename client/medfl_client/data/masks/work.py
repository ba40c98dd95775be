"""How the sandbox reads masks: a source and its mask files to the labels on the plan's grid."""

import json
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfl_client.config.mask_files import MaskFiles
from medfl_client.data.dicom.fault import UNNAMED
from medfl_client.data.masks.content import EMPTY, IS_IT_NOTHING, Notes, Structure
from medfl_client.data.masks.files import NIFTI, NRRD, PNG, SEG_KIND, MaskFile
from medfl_client.data.masks.grid import Grid
from medfl_client.data.masks.names import refuse_unknown_classes
from medfl_client.data.masks.nifti import read_nifti
from medfl_client.data.masks.nrrd import read_nrrd
from medfl_client.data.masks.painted import Painted, paint
from medfl_client.data.masks.png import read_png
from medfl_client.data.masks.ready import ready
from medfl_client.data.masks.segmentation import read_segmentation
from medfl_client.data.masks.structure_set import read_structure_set
from medfl_client.data.reader import Reader, Source
from medfl_client.data.sandbox import Work
from medfl_client.data.sides import pack_sides, sides_bytes, take_sides
from medfl_common.errors import DataError, MedflError
from medfl_common.plan.images import Images
from medfl_common.plan.task import UNKNOWN_VOXEL

MAX_TOLD = 40  # notes, or names, of one image
MAX_LETTERS = 200  # of one
MAX_WORDS_BYTES = 2**18  # of notes and names
_HEAD = struct.Struct("<I")  # bytes of the words that stand before the labels


@dataclass(frozen=True, slots=True)
class MaskJob:
    """One image and its masks."""

    source: Source
    masks: tuple[MaskFile, ...]


@dataclass(frozen=True)
class ReadMask:
    """The labels of one image."""

    labels: NDArray[np.uint8]  # images.shape[1:]: place of the class in the plan, or UNKNOWN_VOXEL
    notes: tuple[str, ...]  # what a person should know, such as contours outside the image
    ml: tuple[float, ...]  # of each class on the image's own grid; NaN: unknown
    unmapped: tuple[str, ...] = ()  # names without a class; then the labels say nothing
    names: tuple[str, ...] = ()  # of its structures; there may be more


@dataclass(frozen=True)
class _Way:
    """What reading masks depends on, apart from the job."""

    reader: Reader
    folder: Path
    mask_folder: Path
    images: Images
    classes: tuple[str, ...]
    rules: MaskFiles


def mask_work(
    reader: Reader,
    folder: Path,
    mask_folder: Path,
    images: Images,
    classes: Sequence[str],
    rules: MaskFiles,
) -> Work[MaskJob, ReadMask]:
    """Say how the sandbox reads masks: (source, masks) -> labels on the plan's grid.

    Raises DataError where the rules name classes that the plan does not have.
    """
    refuse_unknown_classes(classes, rules)
    way = _Way(reader, folder, mask_folder, images, tuple(classes), rules)
    n_voxels = int(np.prod(images.shape[1:]))
    return Work(
        do=partial(_read, way),
        accept=partial(_accept, images, len(classes)),
        files=partial(_files, folder, mask_folder),
        setup=partial(ready, reader, rules.format),
        max_bytes=_HEAD.size + MAX_WORDS_BYTES + 8 * len(classes) + sides_bytes(images) + n_voxels,
    )


def read_mask(way: _Way, job: MaskJob) -> ReadMask:
    """Read the masks of one image here; raises DataError."""
    for place, one in [(way.folder, row) for row in job.source.rows] + [
        (way.mask_folder, mask) for mask in job.masks
    ]:
        facts = (place / one.path).stat(follow_symlinks=False)
        if (facts.st_size, facts.st_mtime_ns) != (one.size, one.mtime_ns):
            raise DataError("the file has changed since it was indexed", todo="start again")
    notes: Notes = Counter()
    grid = way.reader.grid(way.folder, job.source)
    structures = [one for mask in job.masks for one in _structures(way, mask, grid, notes)]
    painted = paint(structures, grid.shape, way.classes, way.rules, notes)
    # of one slice of a series an empty part of its mask is usual
    is_whole = grid.layout is not None or any(mask.kind == PNG for mask in job.masks)
    if is_whole and not painted.labels.any() and not painted.unmapped:
        if way.rules.empty is None:
            raise DataError(IS_IT_NOTHING)
        notes[EMPTY] += 1
    return ReadMask(
        labels=grid.to_plan(painted.labels, len(way.classes), way.images),
        notes=tuple(f"{n} {what}" if n > 1 else what for what, n in notes.items() if n),
        ml=_volumes(grid, painted, len(way.classes)),
        unmapped=painted.unmapped,
        names=tuple(structure.name for structure in structures),
    )


def _structures(way: _Way, mask: MaskFile, grid: Grid, notes: Notes) -> list[Structure]:
    path = way.mask_folder / mask.path
    try:
        if mask.kind == SEG_KIND:
            return read_segmentation(path, grid, way.rules, notes)
        if mask.kind == NIFTI:
            return read_nifti(path, grid, notes)
        if mask.kind == NRRD:
            return read_nrrd(path, grid, notes)
        if mask.kind == PNG:
            return read_png(path, grid, way.rules, notes)
        return read_structure_set(path, grid, notes)
    except (MedflError, OSError, MemoryError):
        raise
    except Exception:  # whatever a parser makes of it
        raise DataError(UNNAMED) from None


def _volumes(grid: Grid, painted: Painted, n_classes: int) -> tuple[float, ...]:
    """Give the volume of each class, ml."""
    voxel_ml = grid.voxel_ml()
    n_of = np.stack([np.bincount(part.ravel(), minlength=256) for part in painted.labels])
    return tuple(float(ml) for ml in voxel_ml @ n_of[:, :n_classes])


def _files(folder: Path, mask_folder: Path, job: MaskJob) -> list[Path]:
    images = [folder / row.path for row in job.source.rows]
    return images + [mask_folder / mask.path for mask in job.masks]


def _read(way: _Way, job: MaskJob) -> bytes:
    """Answer in bytes: the length of the words, words as JSON, volumes, labels."""
    found = read_mask(way, job)
    told = (found.notes, found.unmapped, found.names)
    lists = [[one[:MAX_LETTERS] for one in own[:MAX_TOLD]] for own in told]
    words = json.dumps(lists).encode()
    volumes = np.array(found.ml, dtype="<f8").tobytes()
    sides = pack_sides(found.labels.shape, way.images)
    return _HEAD.pack(len(words)) + words + volumes + sides + found.labels.tobytes()


def _accept(images: Images, n_classes: int, job: MaskJob, body: memoryview) -> ReadMask:
    """Take an answer; raises ValueError where it is anything else."""
    (n_words,) = _HEAD.unpack_from(body)
    at = _HEAD.size + n_words
    sides, rest = take_sides(body[at + 8 * n_classes :], images)
    if len(rest) != int(np.prod(sides)):
        raise ValueError("an answer of another size")
    lists = json.loads(bytes(body[_HEAD.size : at]))
    notes, unmapped, names = (_words(own) for own in lists)
    ml = np.frombuffer(body[at : at + 8 * n_classes], dtype="<f8")
    labels = np.frombuffer(rest, dtype=np.uint8)
    if not ((labels < n_classes) | (labels == UNKNOWN_VOXEL)).all() or (ml < 0).any():
        raise ValueError("labels that no plan has")
    return ReadMask(labels.reshape(sides), notes, tuple(ml.tolist()), unmapped, names)


def _words(own: object) -> tuple[str, ...]:
    if not isinstance(own, list) or len(own) > MAX_TOLD:
        raise ValueError("no words")
    if not all(isinstance(one, str) and len(one) <= MAX_LETTERS for one in own):
        raise ValueError("no words")
    return tuple(own)
