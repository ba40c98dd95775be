"""The masks of a segmentation as records of a cache, beside those of their images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from medfl_client.config.mask_files import MaskFiles
from medfl_client.data.cache import TIMEOUT_S, VOLUME_TIMEOUT_S, identities, image_facts
from medfl_client.data.dicom.index import Progress
from medfl_client.data.masks.files import NIFTI, NRRD
from medfl_client.data.masks.names import refuse_names
from medfl_client.data.masks.work import MaskJob, ReadMask, mask_work
from medfl_client.data.own_shapes import Pixels, joined
from medfl_client.data.reader import Reader
from medfl_client.data.records import (
    Cache,
    Indices,
    Record,
    Way,
    bytes_missing,
    cached_records,
    hashed,
)
from medfl_client.data.selection import Sample
from medfl_common.errors import DataError
from medfl_common.plan.plan import Plan
from medfl_common.plan.task import UNKNOWN_VOXEL

VERSION = 3  # raise it when the same files would give another mask
PACKAGES = {NIFTI: "nibabel", NRRD: "nrrd"}  # that kinds of masks need


@dataclass(frozen=True)
class Masks:
    """The masks of a collection.

    labels: (N_cache, [D,] S, S) uint8 places in the plan's classes, or UNKNOWN_VOXEL; or each of
        its own shape.
    rows: (N,) which is whose.
    notes: (N,) what was passed over in reading each.
    ml: (N, K) volume of each class on the images' own grid, NaN where it is not known.
    names: (N,) of the structures in each; there may be more.
    """

    labels: Pixels
    rows: Indices
    notes: Sequence[Sequence[str]]
    ml: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
    names: Sequence[Sequence[str]] = ()


@dataclass(frozen=True)
class Folders:
    """Where a site's images and masks are."""

    images: Path
    masks: Path


def cached_masks(
    samples: Sequence[Sample],
    folders: Folders,
    plan: Plan,
    rules: MaskFiles,
    caches: Path,
    reader: Reader,
    progress: Progress | None = None,
) -> Cache:
    """Open the cache of the masks; read those that are not in it yet.

    Raises DataError where masks hold values that the site file does not map, or need a package that
    is not there: that is no fault of a mask, which the cache would remember.
    """
    _refuse_missing({mask.kind for sample in samples for mask in sample.masks})
    way = _way(folders, plan, rules, reader)
    names = [
        hashed([name, [[mask.path, mask.size, mask.mtime_ns] for mask in sample.masks]])
        for name, sample in zip(identities([s.source for s in samples]), samples, strict=True)
    ]
    jobs = [MaskJob(sample.source, sample.masks) for sample in samples]
    found = cached_records(way, jobs, names, caches, progress)
    unmapped = (str(n) for one in found.facts for n in _listed(one.get("unmapped")))
    refuse_names(unmapped, plan.task.classes)
    return found


def mask_bytes_needed(
    n_samples: int, plan: Plan, rules: MaskFiles, caches: Path, reader: Reader
) -> int:
    """Say how much the cache of so many masks will still grow, at the least."""
    return bytes_missing(_way(Folders(Path(), Path()), plan, rules, reader), n_samples, caches)


def _way(folders: Folders, plan: Plan, rules: MaskFiles, reader: Reader) -> Way[MaskJob, ReadMask]:
    images, classes = plan.images, plan.task.classes
    return Way(
        facts=[VERSION, "masks", reader.name, image_facts(images), classes, rules.model_dump()],
        shape=images.shape[1:],
        least=images.window,
        has_own_shapes=images.patch is not None,
        dtype=np.uint8,
        work=mask_work(
            reader, folders.images.absolute(), folders.masks.absolute(), images, classes, rules
        ),
        record=lambda read: _record(read, len(classes)),
        chunk=1,
        timeout_s=TIMEOUT_S if images.dimensions == 2 else VOLUME_TIMEOUT_S,
    )


def _refuse_missing(kinds: set[str]) -> None:
    for kind in sorted(kinds & set(PACKAGES)):
        if find_spec(PACKAGES[kind]) is None:
            raise DataError(
                f"{kind} masks need the package {PACKAGES[kind]}, which is not installed",
                todo="pip install medfl[nifti]",
                data="nothing was trained",
            )


def _record(read: ReadMask, n_classes: int) -> Record:
    """Note beside a mask which classes it has; where a class is unknown, so are some voxels."""
    there = np.bincount(read.labels.ravel(), minlength=UNKNOWN_VOXEL + 1) > 0
    absent = -1 if there[UNKNOWN_VOXEL] else 0
    present = [1 if there[k] else absent for k in range(1, n_classes)]
    ml = [None if np.isnan(value) else round(value, 4) for value in read.ml]
    facts: dict[str, object] = {"present": present, "notes": [*read.notes], "ml": ml}
    facts["names"] = [*read.names]
    if read.unmapped:
        facts["unmapped"] = [*read.unmapped]
    return Record(read.labels, facts)


def with_presence(samples: Sequence[Sample], masks: Cache) -> list[Sample]:
    """Say of each sample whether its mask has each class of the foreground; NaN: nobody knows."""
    return [
        sample if masks.rows[i] < 0 else replace(sample, targets=_targets(masks, i))
        for i, sample in enumerate(samples)
    ]


def _targets(masks: Cache, place: int) -> tuple[float, ...]:
    present = masks.facts[place]["present"]
    assert isinstance(present, list)
    return tuple(float("nan") if known < 0 else float(known) for known in present)


def both(images: Cache, masks: Cache) -> Cache:
    """Give the images of which the mask could be read, too."""
    rows = np.where(masks.rows < 0, -1, images.rows)
    return replace(images, rows=rows, reasons={**masks.reasons, **images.reasons})


def masks_of(cache: Cache, positions: Sequence[int]) -> Masks:
    """Give the masks at some positions of a cache, with what was noted of them."""
    facts = [cache.facts[i] for i in positions]
    notes = [[str(note) for note in _listed(one.get("notes"))] for one in facts]
    known = [[np.nan if v is None else v for v in _listed(one.get("ml"))] for one in facts]
    names = [[str(name) for name in _listed(one.get("names"))] for one in facts]
    rows = cache.rows[list(positions)]
    return Masks(cache.pixels, rows, notes, np.array(known, np.float64), names)


def joined_masks(several: Sequence[Masks]) -> Masks:
    """Join the masks of several collections, in order."""
    labels, rows = joined([(one.labels, one.rows) for one in several])
    notes = [note for one in several for note in one.notes]
    names = [own for one in several for own in one.names]
    return Masks(labels, rows, notes, np.concatenate([one.ml for one in several]), names)


def at(masks: Masks, positions: Indices) -> Masks:
    """Give the masks at some positions."""
    notes = [masks.notes[i] for i in positions]
    names = [masks.names[i] for i in positions] if masks.names else ()
    return Masks(masks.labels, masks.rows[positions], notes, masks.ml[positions], names)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []
