"""A site's folder to the samples of a plan: index, labels, selection, cache, duplicates."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from medfl_client.config.folder import StateFolder
from medfl_client.config.secret_keys import site_secret
from medfl_client.config.site_file import DataFiles
from medfl_client.data.boxed import Boxes
from medfl_client.data.boxed_selection import select_boxed
from medfl_client.data.boxes import places
from medfl_client.data.boxes.places import Placed, place_boxes
from medfl_client.data.cache import cached_pixels
from medfl_client.data.dataset import Indices
from medfl_client.data.dicom.grey import BLANK
from medfl_client.data.dicom.header import Rules
from medfl_client.data.dicom.index import Progress, rows, scan
from medfl_client.data.dicom.patch import OUTSIDE
from medfl_client.data.duplicates import Persons, find_duplicates, join_persons
from medfl_client.data.labels import read_labels
from medfl_client.data.masked import (
    Folders,
    Masks,
    both,
    cached_masks,
    masks_of,
    with_presence,
)
from medfl_client.data.masked_selection import select_masked
from medfl_client.data.masks.files import mask_folder
from medfl_client.data.own_shapes import Pixels
from medfl_client.data.reader import DicomReader, Reader
from medfl_client.data.reason_codes import CodedReason
from medfl_client.data.reasons import count_reasons
from medfl_client.data.records import Cache
from medfl_client.data.selection import Sample, Selection, select
from medfl_common.errors import DataError
from medfl_common.plan.plan import Plan

Watch = Callable[[str], Progress]  # names a long piece of work, gives what takes (done, of)


@dataclass(frozen=True)
class Collection:
    """Every sample of a folder that takes part in a plan, decoded; and what does not, with why.

    pixels: (N_cache, C, [D,] S, S), or each of its own shape; rows: (N,) the place of each sample.
    patients: (N,) who each sample is of; pseudonyms that share an image count as one person.
    """

    samples: list[Sample]
    pixels: Pixels
    rows: Indices
    patients: list[str]
    refused: dict[str, str]  # path -> reason
    n_labels_unused: int  # label rows without an image
    n_damaged: int = 0  # samples of the plan that could not be decoded
    n_joined_patients: int = 0  # pseudonyms that turned out to be another's
    n_impersonal: int = 0  # images that several pseudonyms share, and that identify nobody
    twins: dict[str, str] = field(default_factory=dict)  # left out -> the file with its pixels
    unused_masks: dict[str, str] = field(default_factory=dict)  # path -> why no image has it
    # reason -> how many frames, or candidates, of files that are used
    refused_parts: dict[str, int] = field(default_factory=dict)
    masks: Masks | None = None  # of a segmentation
    boxes: Sequence[Boxes] | None = None  # (N,) of a detection, where each image has them
    box_notes: Sequence[Sequence[str]] = ()  # (N,) what was passed over, or cut off, in each
    unused_boxes: dict[str, str] = field(default_factory=dict)  # place in the list -> why
    secret: bytes = b""  # the key of the pseudonyms, and of the split
    others_of: dict[str, str] = field(default_factory=dict)  # pseudonym -> whose other one it is
    file_patients: dict[str, str] = field(default_factory=dict)  # readable file -> whose


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
    if plan.task.has_masks:
        selection = select_masked(base, state, data, plan, reader, watch, [*rows(database)])
    elif plan.task.has_boxes:
        selection = select_boxed(base, data, plan, rows(database), secret)
    else:
        labels = read_labels(base, data, plan, secret)
        selection = select(rows(database), labels, data, plan, base / data.folder)
    collection = decode(selection, base, state, data, plan, watch, reader)
    _refuse_damaged(collection, data)
    return collection


def index_folder(
    base: Path, state: Path, data: DataFiles, watch: Watch | None, reader: Reader
) -> tuple[Path, bytes]:
    """Bring the site's index up to date; return it and the key of its pseudonyms."""
    secret = site_secret(state)
    rules = Rules(secret, data.label_tag, data.patient_from_study)
    progress = watch("read the headers of") if watch else None
    scan(base / data.folder, StateFolder(state).index, reader, rules, progress)
    return StateFolder(state).index, secret


def decode(
    selection: Selection,
    base: Path,
    state: Path,
    data: DataFiles,
    plan: Plan,
    watch: Watch | None,
    reader: Reader,
) -> Collection:
    """Decode the samples of a selection that are new, and leave out what is there twice."""
    folder, caches = base / data.folder, StateFolder(state).cache
    _refuse_nothing(len(selection.samples), selection.refused, folder, selection.hint)
    cache = cached_pixels(
        [sample.source for sample in selection.samples],
        folder,
        plan.images,
        caches,
        reader,
        watch("decoded") if watch else None,
    )
    n_damaged = sum(reason not in (BLANK, OUTSIDE) for reason in cache.reasons.values())
    masks, placed = None, None
    if plan.task.has_masks:
        folders = Folders(folder, mask_folder(base, data))
        follow = watch("read the masks of") if watch else None
        masks = cached_masks(selection.samples, folders, plan, data.masks, caches, reader, follow)
        selection.samples = with_presence(selection.samples, masks)
        cache = both(cache, masks)
    if plan.task.has_boxes:
        follow = watch("read the places of") if watch else None
        placed = place_boxes(selection.samples, folder, plan.images, caches, reader, follow)
        selection.samples = places.with_presence(selection.samples, placed)
        cache = places.both(cache, placed)
    is_apart = plan.privacy.noise is not None
    collection = _join(selection, cache, masks, placed, site_secret(state), is_apart)
    _refuse_nothing(len(collection.samples), collection.refused, folder, selection.hint)
    return replace(collection, n_damaged=n_damaged)


def _join(
    selection: Selection,
    cache: Cache,
    masks: Cache | None,
    placed: Placed | None,
    secret: bytes,
    is_apart: bool,
) -> Collection:
    """Leave out what could not be decoded, and images that are there more than once.

    `is_apart`: under noise nobody's images change whether or whose another patient's are.
    """
    samples, refused = selection.samples, dict(selection.refused)
    own = masks or placed
    labels = own.digests if own else None
    duplicates, twins = find_duplicates(samples, cache, labels, not is_apart)
    without = {i: CodedReason(why, "pixels") for i, why in cache.reasons.items()} | duplicates
    for i, reason in without.items():
        refused |= {row.name: reason for row in samples[i].source.rows}
    kept = [i for i in range(len(samples)) if i not in without]
    # a file is used of which some frames, or candidates, are
    used = {row.name for i in kept for row in samples[i].source.rows}
    used |= {mask.path for i in kept for mask in samples[i].masks}
    left_out = [*selection.unlabelled, *((samples[i].source, why) for i, why in without.items())]
    parts = [why for source, why in left_out if source.rows[0].name in used]
    alone = Persons({sample.patient: sample.patient for sample in samples})
    persons = alone if is_apart else join_persons(samples, cache)
    person = persons.person_of
    return Collection(
        samples=[samples[i] for i in kept],
        pixels=cache.pixels,
        rows=cache.rows[kept],
        patients=[person[samples[i].patient] for i in kept],
        refused={name: reason for name, reason in refused.items() if name not in used},
        n_labels_unused=selection.n_labels_unused,
        n_joined_patients=sum(name != other for name, other in person.items()),
        n_impersonal=persons.n_impersonal,
        twins={samples[i].row.name: samples[j].row.name for i, j in twins.items()},
        unused_masks=selection.unused_masks,
        refused_parts=dict(Counter(parts).most_common()),
        masks=None if masks is None else masks_of(masks, kept),
        boxes=None if placed is None else [placed.boxes[i] for i in kept],
        box_notes=() if placed is None else [placed.notes[i] for i in kept],
        unused_boxes=selection.unused_boxes,
        secret=secret,
        others_of={name: who for name, who in person.items() if name != who},
        file_patients={name: person.get(who, who) for name, who in selection.patients.items()},
    )


def _refuse_nothing(n_images: int, refused: dict[str, str], folder: Path, hint: str) -> None:
    if n_images == 0:
        reasons = "; ".join(f"{n} x {reason}" for reason, n in count_reasons(refused).items())
        raise DataError(
            f"no image in {folder.resolve()} can be used ({reasons or 'the folder is empty'})",
            todo=hint or "medfl-client index shows which file is left out for which reason",
            data="nothing was trained and nothing was sent",
        )


def _refuse_damaged(collection: Collection, data: DataFiles) -> None:
    n, n_all = collection.n_damaged, collection.n_damaged + len(collection.samples)
    if n > data.max_damaged * n_all:
        raise DataError(
            f"{n} of {n_all} images of the plan cannot be decoded, more than data.max_damaged "
            f"({data.max_damaged:g}) allows",
            todo="medfl-client index shows which and why",
            data="nothing was trained",
        )
