"""A site's folder to the data of a plan: index, labels, selection, cache, split."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from medfl_client.config.site_file import DataFiles, site_secret
from medfl_client.data.cache import Cache, cached_pixels
from medfl_client.data.dataset import ImageSet, Indices, SiteData, encode_targets, split
from medfl_client.data.dicom.grey import BLANK
from medfl_client.data.dicom.header import Rules
from medfl_client.data.dicom.index import Progress, rows, scan
from medfl_client.data.dicom.patch import OUTSIDE
from medfl_client.data.labels import count_labels, read_labels
from medfl_client.data.reader import DicomReader, Reader
from medfl_client.data.selection import COPY, Sample, Selection, select
from medfl_client.data.subgroups import groups_of
from medfl_common.errors import DataError
from medfl_common.metrics.site_statistics import (
    AGES,
    SIDES,
    SLICES,
    SPACINGS,
    SiteStatistics,
    band,
    intensity_histogram,
)
from medfl_common.plan.plan import Plan

MAX_HISTOGRAM = 2000  # images whose intensities are counted; of more, every second, third, ...
Watch = Callable[[str], Progress]  # names a long piece of work, gives what takes (done, of)


@dataclass(frozen=True)
class Collection:
    """Every sample of a folder that takes part in a plan, decoded; and what does not, with why.

    pixels: (N_cache, C, [D,] S, S); rows: (N,) the place of each sample in it.
    patients: (N,) who each sample is of; pseudonyms that share an image count as one person.
    """

    samples: list[Sample]
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.generic]]
    rows: Indices
    patients: list[str]
    refused: dict[str, str]  # path -> reason
    n_labels_unused: int  # label rows without an image
    n_damaged: int = 0  # samples of the plan that could not be decoded
    n_joined_patients: int = 0  # pseudonyms that turned out to be another's
    twins: dict[str, str] = field(default_factory=dict)  # left out -> the file with its pixels
    # reason -> how many frames, or candidates, of files that are used
    refused_parts: dict[str, int] = field(default_factory=dict)


def collect(
    base: Path,
    state: Path,
    data: DataFiles,
    plan: Plan,
    watch: Watch | None = None,
    reader: Reader | None = None,
) -> Collection:
    """Read a folder for a plan; paths in `data` are relative to `base`.

    Raises DataError where no image is left: the message counts the files by reason.
    """
    reader = reader or DicomReader()
    database, secret = index_folder(base, state, data, watch, reader)
    labels = read_labels(base, data, plan, secret)
    selection = select(rows(database), labels, data, plan, base / data.folder)
    collection = decode(selection, base / data.folder, state, plan, watch, reader)
    _refuse_damaged(collection, data)
    return collection


def index_folder(
    base: Path, state: Path, data: DataFiles, watch: Watch | None, reader: Reader
) -> tuple[Path, bytes]:
    """Bring the site's index up to date; return it and the key of its pseudonyms."""
    secret = site_secret(state)
    rules = Rules(secret, data.label_tag, data.patient_from_study)
    progress = watch("read the headers of") if watch else None
    scan(base / data.folder, state / "index.sqlite", reader, rules, progress)
    return state / "index.sqlite", secret


def decode(
    selection: Selection,
    folder: Path,
    state: Path,
    plan: Plan,
    watch: Watch | None,
    reader: Reader,
) -> Collection:
    """Decode the samples of a selection that are new, and leave out what is there twice."""
    _refuse_nothing(len(selection.samples), selection.refused, folder)
    cache = cached_pixels(
        [sample.source for sample in selection.samples],
        folder,
        plan.images,
        state / "cache",
        reader,
        watch("decoded") if watch else None,
    )
    collection = _join(selection, cache)
    _refuse_nothing(len(collection.samples), collection.refused, folder)
    return collection


def _join(selection: Selection, cache: Cache) -> Collection:
    """Leave out what could not be decoded, and images that are there more than once."""
    samples, refused = selection.samples, dict(selection.refused)
    doubles, twins = _doubles(samples, cache)
    without = dict(cache.reasons) | doubles
    for i, reason in without.items():
        refused |= {row.name: reason for row in samples[i].source.rows}
    kept = [i for i in range(len(samples)) if i not in without]
    # a file is used of which some frames, or candidates, are
    used = {row.name for i in kept for row in samples[i].source.rows}
    left_out = [(samples[i].source, reason) for i, reason in without.items()]
    left_out += selection.unlabelled
    parts = [reason for source, reason in left_out if source.rows[0].name in used]
    person = _persons(samples, cache)
    return Collection(
        samples=[samples[i] for i in kept],
        pixels=cache.pixels,
        rows=cache.rows[kept],
        patients=[person[samples[i].patient] for i in kept],
        refused={name: reason for name, reason in refused.items() if name not in used},
        n_labels_unused=selection.n_labels_unused,
        n_damaged=sum(reason not in (BLANK, OUTSIDE) for reason in cache.reasons.values()),
        n_joined_patients=sum(name != other for name, other in person.items()),
        twins={samples[i].row.name: samples[j].row.name for i, j in twins.items()},
        refused_parts=dict(Counter(parts).most_common()),
    )


def _doubles(samples: Sequence[Sample], cache: Cache) -> tuple[dict[int, str], dict[int, int]]:
    """Find samples that are not the only one with their pixels or their UID.

    Gives position -> reason, and position -> that of the equal image which stays. Of equal
    images with one label the first stays. Where labels differ, or where one UID stands for
    different images, nobody can say which is right: all are left out.
    """
    reasons: dict[int, str] = {}
    twins: dict[int, int] = {}
    by_uid, by_pixels = defaultdict(list), defaultdict(list)
    for i, sample in enumerate(samples):
        if cache.rows[i] >= 0:
            source = sample.source
            by_uid[sample.row.sop, sample.row.item, source.frame, source.position].append(i)
            by_pixels[cache.digests[i]].append(i)
    for same in by_uid.values():
        if len({cache.digests[i] for i in same}) > 1:
            reasons |= dict.fromkeys(same, "SOPInstanceUID is used by different images")
    for same in by_pixels.values():
        left = [i for i in same if i not in reasons]
        if len({_comparable(samples[i].targets) for i in left}) > 1:
            reasons |= dict.fromkeys(left, "the same pixels occur with different labels")
            continue
        for i in left[1:]:
            is_copy = _name(samples[i]) == _name(samples[left[0]])
            reasons[i] = COPY if is_copy else "the same pixels as another image"
            twins[i] = left[0]
    return reasons, twins


def _name(sample: Sample) -> tuple[object, ...]:
    return sample.row.sop, sample.source.position


def _comparable(targets: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(-1.0 if math.isnan(value) else value for value in targets)


def _persons(samples: Sequence[Sample], cache: Cache) -> dict[str, str]:
    """Join pseudonyms that share an image: one person under two numbers. Pseudonym -> person."""
    person = {sample.patient: sample.patient for sample in samples}

    def find(name: str) -> str:
        while person[name] != name:
            name = person[name]
        return name

    first: dict[bytes, str] = {}
    for i, sample in enumerate(samples):
        if cache.rows[i] >= 0:
            other = find(first.setdefault(cache.digests[i], sample.patient))
            person[find(sample.patient)] = other
    return {name: find(name) for name in person}


def count_reasons(refused: dict[str, str]) -> dict[str, int]:
    """Count refused files by reason, most frequent first."""
    return dict(Counter(refused.values()).most_common())


def _refuse_nothing(n_images: int, refused: dict[str, str], folder: Path) -> None:
    if n_images == 0:
        reasons = "; ".join(f"{n} x {reason}" for reason, n in count_reasons(refused).items())
        raise DataError(
            f"no image in {folder.resolve()} can be used ({reasons or 'the folder is empty'}); "
            "nothing was trained and nothing was sent"
        )


def _refuse_damaged(collection: Collection, data: DataFiles) -> None:
    n, n_all = collection.n_damaged, collection.n_damaged + len(collection.samples)
    if n > data.max_damaged * n_all:
        raise DataError(
            f"{n} of {n_all} images of the plan cannot be decoded, more than data.max_damaged "
            f"({data.max_damaged:g}) allows; medfl-client index shows which and why; nothing was "
            "trained"
        )


def site_data(
    collection: Collection, plan: Plan, site: str, part: Indices | None = None
) -> SiteData:
    """Split a collection, or the samples of it at the positions `part`, for one site."""
    positions = np.arange(len(collection.samples)) if part is None else np.sort(part)
    samples = [collection.samples[i] for i in positions]
    labels = [sample.label for sample in samples]
    train, validation = split([collection.patients[i] for i in positions], labels, plan, site)
    targets = encode_targets([sample.targets for sample in samples], plan)

    def image_set(chosen: Indices) -> ImageSet:
        rows = collection.rows[positions[chosen]]
        return ImageSet(collection.pixels, rows, targets[chosen], plan.images.channels)

    n_left_out = len(collection.refused) if part is None else 0  # they are of no part
    counting = partial(describe, collection, positions, plan, n_left_out)
    groups = groups_of([samples[i].row for i in validation], plan)
    return SiteData(image_set(train), image_set(validation), counting, groups)


def describe(
    collection: Collection, positions: Indices, plan: Plan, n_left_out: int
) -> SiteStatistics:
    """Count what a site may tell of its samples; the guard takes out what is small."""
    samples = [collection.samples[i] for i in positions]
    rows = [sample.row for sample in samples]
    steps = max(1, len(positions) // MAX_HISTOGRAM)
    return SiteStatistics(
        samples=len(samples),
        patients=len({collection.patients[i] for i in positions}),
        left_out=n_left_out,
        classes=tuple(count_labels([s.targets for s in samples], plan.task).values()),
        sides=band([max(row.height, row.width) for row in rows], SIDES),
        spacings=band([row.spacing_mm for row in rows], SPACINGS),
        slices=band([row.slice_mm for row in rows], SLICES),
        ages=band([row.age for row in rows], AGES),
        sexes=_sexes([row.sex for row in rows]),
        greys=intensity_histogram(collection.pixels, collection.rows[positions[::steps]]),
    )


def _sexes(words: list[str]) -> tuple[int, ...]:
    n_female, n_male = words.count("F"), words.count("M")
    return n_female, n_male, len(words) - n_female - n_male
