"""The samples of a segmentation: images joined with their masks, and these as records of a cache."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medfl_client.config.mask_files import MaskFiles
from medfl_client.data.cache import TIMEOUT_S, VOLUME_TIMEOUT_S, identities, image_facts
from medfl_client.data.dicom.index import Progress
from medfl_client.data.masks.work import MaskJob, ReadMask, mask_work
from medfl_client.data.reader import Reader
from medfl_client.data.records import Cache, Indices, Pixels, Record, Way, cached_records, hashed
from medfl_client.data.selection import Sample
from medfl_common.plan.plan import Plan
from medfl_common.plan.task import UNKNOWN_VOXEL

VERSION = 1  # raise it when the same files would give another mask


@dataclass(frozen=True)
class Masks:
    """The masks of a collection.

    labels: (N_cache, [D,] S, S) uint8 places in the plan's classes, or UNKNOWN_VOXEL; or each of
        its own shape.
    rows: (N,) which is whose.
    notes: (N,) what was passed over in reading each.
    ml: (N, K) volume of each class on the images' own grid, NaN where it is not known.
    """

    labels: Pixels
    rows: Indices
    notes: Sequence[Sequence[str]]
    ml: np.ndarray[tuple[int, ...], np.dtype[np.float64]]

    def at(self, positions: Sequence[int]) -> "Masks":
        """Give those at some positions."""
        return Masks(
            self.labels, self.rows[positions], [self.notes[i] for i in positions],
            self.ml[positions],
        )  # fmt: skip


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
    """Open the cache of the masks; read those that are not in it yet."""
    images, classes = plan.images, plan.task.classes
    way = Way(
        facts=[VERSION, "masks", reader.name, image_facts(images), classes, rules.model_dump()],
        shape=images.shape[1:],
        has_own_shapes=images.patch is not None,
        dtype=np.uint8,
        work=mask_work(
            reader, folders.images.absolute(), folders.masks.absolute(), images, classes, rules
        ),
        record=lambda read: _record(read, len(classes)),
        chunk=1,
        timeout_s=TIMEOUT_S if images.dimensions == 2 else VOLUME_TIMEOUT_S,
    )
    names = [
        hashed([name, [[mask.path, mask.size, mask.mtime_ns] for mask in sample.masks]])
        for name, sample in zip(identities([s.source for s in samples]), samples, strict=True)
    ]
    jobs = [MaskJob(sample.source, sample.masks) for sample in samples]
    return cached_records(way, jobs, names, caches, progress)


def _record(read: ReadMask, n_classes: int) -> Record:
    """Note beside a mask which classes it has; where a class is unknown, so are some voxels."""
    there = np.bincount(read.labels.ravel(), minlength=UNKNOWN_VOXEL + 1) > 0
    absent = -1 if there[UNKNOWN_VOXEL] else 0
    present = [1 if there[k] else absent for k in range(1, n_classes)]
    ml = [None if np.isnan(value) else round(value, 4) for value in read.ml]
    return Record(read.labels, {"present": present, "notes": [*read.notes], "ml": ml})


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


def masks_of(cache: Cache, n_classes: int) -> Masks:
    """Give the masks of a cache with what was noted of them."""
    notes = [[str(note) for note in _listed(facts.get("notes"))] for facts in cache.facts]
    ml = np.full((len(cache.rows), n_classes), np.nan)
    for i, facts in enumerate(cache.facts):
        if known := _listed(facts.get("ml")):
            ml[i] = [np.nan if value is None else value for value in known]
    return Masks(cache.pixels, cache.rows, notes, ml)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []
