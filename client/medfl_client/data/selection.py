"""Which indexed images take part in a plan, and why the others do not. Nothing is lost silently."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import file_digest
from pathlib import Path
from sys import intern

from medfl_client.config.site_file import DataFiles
from medfl_client.data.boxes.listed import Box
from medfl_client.data.dicom.header import Row
from medfl_client.data.dicom.series import arrange, middle_of
from medfl_client.data.given_split import given_part
from medfl_client.data.labels import LabelRow, Labels, encode, find_candidates, find_label
from medfl_client.data.masks.files import MaskFile
from medfl_client.data.parts import Part
from medfl_client.data.reader import ALL_FRAMES, Source
from medfl_client.data.reason_codes import CodedReason
from medfl_client.data.shared_keys import refuse_shared_keys
from medfl_client.data.wanted import why_unwanted
from medfl_common.errors import DataError, system_reason
from medfl_common.plan.images import Images
from medfl_common.plan.plan import Plan

COPY = CodedReason("copy of another file", "copy")
MIDDLE = CodedReason("the middle image of its series is taken", "rest_of_series")
NO_LABEL = CodedReason("no label", "no_label")
DIFFERENT_IN_SERIES = CodedReason("the images of its series have different labels", "label")
NO_SERIES = CodedReason("SeriesInstanceUID is missing or empty", "series")
UNKNOWN_LABEL = CodedReason("its label is unknown", "label")


@dataclass(frozen=True, slots=True)
class Sample:
    """What has one label, or mask, and is one input of the network."""

    source: Source
    # (class,), or for multilabel 1, 0 or NaN per finding, or whether masks or boxes show each class
    targets: tuple[float, ...]
    patient: str  # who it is of: a pseudonym
    cells: dict[str, str]  # its line of the label file
    given: Part | None = None  # where the site says which part it is of
    masks: tuple[MaskFile, ...] = ()  # of a segmentation
    boxes: tuple[Box, ...] = ()  # of a detection
    box_notes: tuple[str, ...] = ()  # what was passed over in the list of them

    @property
    def row(self) -> Row:
        """Give its first file's row."""
        return self.source.rows[0]

    @property
    def label(self) -> int:
        """Give its class; where there may be several: 0 without a known one, else 1 + the first."""
        if len(self.targets) == 1:
            return 0 if math.isnan(self.targets[0]) else int(self.targets[0])
        return next((i + 1 for i, value in enumerate(self.targets) if value == 1), 0)


@dataclass
class Selection:
    """The samples of a plan, in the order of their UIDs: no path or scan order matters."""

    samples: list[Sample] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)  # path -> reason
    unlabelled: list[tuple[Source, str]] = field(default_factory=list)  # candidates, with why
    n_labels_unused: int = 0  # label rows without an image
    unused_masks: dict[str, str] = field(default_factory=dict)  # path -> why no image has it
    unused_boxes: dict[str, str] = field(default_factory=dict)  # place in the list -> likewise
    patients: dict[str, str] = field(default_factory=dict)  # readable file -> whose, by its header
    hint: str = ""  # how the labels should join the images, where many have none


def select(
    rows: Iterable[Row], labels: Labels, data: DataFiles, plan: Plan, folder: Path
) -> Selection:
    """Join index and labels for a plan.

    Raises DataError where a label is not one of the plan's classes, or is of several patients: that
    is for a person to decide.
    """
    selection, used = Selection(), set()
    wanted: list[Row] = []
    for row in rows:
        found = find_label(row, labels, data) if not row.reason else None
        if found is not None:
            used.add(found[0])
        selection.patients |= patients_of([row], data)
        reason = why_unwanted(row, plan.images, data)
        if reason:
            selection.refused[row.name] = reason
        else:
            wanted.append(row)
    for source in _sources(wanted, plan.images, folder, selection.refused):
        if plan.images.sample == "candidate":
            _label_candidates(source, labels, data, plan, selection)
        else:
            _label(source, labels, data, plan, selection)
    selection.samples.sort(key=in_order)
    refuse_shared_keys([sample.row for sample in selection.samples], labels, data)
    no_label = [row for row in wanted if selection.refused.get(row.name) == NO_LABEL]
    if 10 * len(no_label) > len(wanted):
        selection.hint = labels.hint(no_label)
    selection.n_labels_unused = sum(
        len(found) for key, found in labels.by_key.items() if key not in used
    )
    return selection


def sources_of(
    rows: Iterable[Row], data: DataFiles, plan: Plan, folder: Path
) -> tuple[list[Source], dict[str, str]]:
    """Group files that have no labels into samples of a plan; and path -> reason for the others."""
    refused: dict[str, str] = {}
    wanted = []
    for row in rows:
        reason = why_unwanted(row, plan.images, data)
        if reason:
            refused[row.name] = reason
        else:
            wanted.append(row)
    return _sources(wanted, plan.images, folder, refused), refused


def patient_of(row: Row, data: DataFiles) -> str:
    """Say who a file is of: its header's pseudonym or, where the site says so, its first folder."""
    folder, is_below, _ = row.path.partition("/")
    return f"folder {folder}" if data.patient_from_folder and is_below else row.patient


def patients_of(rows: Iterable[Row], data: DataFiles) -> dict[str, str]:
    """Say whose the readable files are; of none, where the label file says who a patient is."""
    if data.patient_column:
        return {}
    return {row.name: intern(patient_of(row, data)) for row in rows if not row.reason}


def in_order(sample: Sample) -> tuple[object, ...]:
    """Give the place of a sample among others: by its UIDs."""
    source = sample.source
    return sample.row.sop, source.frame, sample.row.path, source.position or ()


def _sources(
    rows: list[Row], images: Images, folder: Path, refused: dict[str, str]
) -> list[Source]:
    """Group files into what one sample is decoded from."""
    if images.sample == "image":
        return [source for row in rows for source in _frames(row, images)]
    sources: list[Source] = []
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        uid = row.study if images.sample == "study" else row.series
        if uid:
            groups[uid].append(row)
        else:
            refused[row.name] = NO_SERIES
    for group in groups.values():
        if len({row.patient for row in group}) > 1:
            what = "study" if images.sample == "study" else "series"
            text = f"files of several patients share its {what}'s UID"
            reason = CodedReason(text, "series")
            refused |= {row.name: reason for row in group}
            continue
        series = _largest_series(_without_copies(group, folder, refused), refused)
        try:
            sources.append(_one_of(series, images, refused))
        except DataError as error:
            reason = CodedReason(str(error), "series")
            refused |= {row.name: reason for row in series}
    return sources


def _frames(row: Row, images: Images) -> list[Source]:
    if images.frames == "middle":
        return [Source((row,), row.frames // 2)]
    return [Source((row,), frame) for frame in range(row.frames)]


def _one_of(series: list[Row], images: Images, refused: dict[str, str]) -> Source:
    """Make the one sample of a series: its volume, or its middle picture."""
    if images.dimensions == 3:
        slices, left_out = arrange(series)
        refused |= {name: CodedReason(why, "series") for name, why in left_out.items()}
        return Source(tuple(slices), ALL_FRAMES)
    middle = middle_of(series)
    refused |= {row.name: MIDDLE for row in series if row is not middle}
    return Source((middle,), middle.frames // 2)


def _largest_series(rows: list[Row], refused: dict[str, str]) -> list[Row]:
    """Keep the series with the most images of a study."""
    by_uid: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_uid[row.series].append(row)
    best = max(by_uid, key=lambda uid: (sum(row.frames for row in by_uid[uid]), uid))
    reason = CodedReason("another series of its study has more images", "series")
    refused |= {row.name: reason for row in rows if row.series != best}
    return by_uid[best]


def _without_copies(rows: list[Row], folder: Path, refused: dict[str, str]) -> list[Row]:
    """Leave out files of a series that are another's copy, byte for byte, under one UID."""
    first: dict[tuple[str, bytes], Row] = {}
    n_of_sop: dict[str, int] = defaultdict(int)
    for row in rows:
        n_of_sop[row.sop] += 1
    for row in rows:
        content = b""
        if n_of_sop[row.sop] > 1:
            try:
                with (folder / row.path).open("rb") as file:
                    content = file_digest(file, "sha256").digest()
            except OSError as error:
                text = f"the system cannot read the file ({system_reason(error)})"
                refused[row.name] = CodedReason(text, "unreadable")
                continue
        if first.setdefault((row.sop, content), row) is not row:
            refused[row.name] = COPY
    return list(first.values())


def _label(
    source: Source, labels: Labels, data: DataFiles, plan: Plan, selection: Selection
) -> None:
    """Give a source its label, or each of its files the reason why it has none."""
    found = {}
    for row in source.rows:
        label = find_label(row, labels, data)
        if label is not None:
            found[label[1].words] = label[1]
    reason = ""
    if not found:
        reason = NO_LABEL
    elif len(found) > 1:
        reason = DIFFERENT_IN_SERIES
    else:
        (label_row,) = found.values()
        sample = _sample(source, label_row, data, plan)
        if sample is None:
            reason = UNKNOWN_LABEL
        else:
            selection.samples.append(sample)
    if reason:
        selection.refused |= {row.name: reason for row in source.rows}


def _label_candidates(
    volume: Source, labels: Labels, data: DataFiles, plan: Plan, selection: Selection
) -> None:
    """Make a sample of each candidate of a volume; without any, its files have no label."""
    reason, is_used = NO_LABEL, False
    for label_row in find_candidates(volume.rows, labels):
        source = replace(volume, position=label_row.position)
        sample = _sample(source, label_row, data, plan)
        if sample is None:
            reason = UNKNOWN_LABEL
            selection.unlabelled.append((source, reason))
        else:
            is_used = True
            selection.samples.append(sample)
    if not is_used:
        selection.refused |= {row.name: reason for row in volume.rows}


def _sample(source: Source, label_row: LabelRow, data: DataFiles, plan: Plan) -> Sample | None:
    """Join a source and its label; None where this is unknown."""
    targets = _encode(label_row, plan, data)
    if targets is None:
        return None
    named = label_row.cells.get(data.patient_column, "").upper()
    patient = f"column {named}" if named else patient_of(source.rows[0], data)
    given = given_part(source.rows[0], label_row, data) if data.split == "given" else None
    return Sample(source, targets, patient, label_row.cells, given)


def _encode(label: LabelRow, plan: Plan, data: DataFiles) -> tuple[float, ...] | None:
    try:
        return encode(label, plan.task, data)
    except ValueError as error:
        where = f"line {label.line} of {data.labels}" if label.line else f"data.{data.labels_from}"
        legal = "1, 0 or unknown" if plan.task.type == "multilabel" and not data.separator else (
            f"a class of the plan ({', '.join(plan.task.classes)})"
        )  # fmt: skip
        raise DataError(
            f"the label {str(error)!r} (first in {where}) is not {legal}",
            todo="correct it, or map it under data.values in site.yaml",
            data="nothing was trained",
        ) from None
