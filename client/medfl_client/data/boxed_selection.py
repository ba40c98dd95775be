"""Which indexed images take part in a detection: those that a list of boxes names."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from medfl_client.config.site_file import DataFiles
from medfl_client.data.boxes.drawn import boxes_of
from medfl_client.data.boxes.joined import NO_ENTRY, NO_IMAGE, OF_JOIN, Joined, join_entries
from medfl_client.data.boxes.listed import Box, Entry
from medfl_client.data.boxes.lists import read_entries, refuse_other_plan
from medfl_client.data.boxes.names import is_asked, refuse_unmapped
from medfl_client.data.boxes.places import presence
from medfl_client.data.dicom.header import Row
from medfl_client.data.labels import refuse_other_labels
from medfl_client.data.reader import Source
from medfl_client.data.reason_codes import CodedReason
from medfl_client.data.selection import (
    Sample,
    Selection,
    in_order,
    patient_of,
    patients_of,
    sources_of,
)
from medfl_common.errors import DataError
from medfl_common.plan.plan import Plan

HINT = (
    "medfl-client index shows which image the list of boxes does not name; data.boxes.join in "
    "site.yaml says what the list calls an image by"
)


def select_boxed(
    base: Path, data: DataFiles, plan: Plan, rows: Iterable[Row], secret: bytes
) -> Selection:
    """Join the images and boxes of a site for a plan; paths are relative to `base`.

    Raises DataError where a box has a name that the site file does not map, and where images would
    count as without a finding because the list does not join: that is for a person to decide.
    """
    refuse_other_labels(data, plan)
    refuse_other_plan(data, plan)
    entries, rows = read_entries(base, data, secret), [*rows]
    sources, reasons = sources_of(rows, data, plan, base / data.folder)
    joined = join_entries(sources, entries, data.boxes.join)
    unused = {*map(id, joined.unused)}
    lost = {key: entry for key, entry in entries.items() if id(entry) in unused}
    if data.boxes.unlisted == "none":
        _refuse_lost(lost, entries, [row for row in rows if row.name in reasons], data)
    used = [entry for own in joined.entries for entry in own]
    names = [finding.name for entry in _once(used) for finding in entry.everything]
    refuse_unmapped(names, plan.task.classes, data.boxes)
    selection = Selection(refused=reasons, patients=patients_of(rows, data))
    selection.n_labels_unused = len(joined.unused)
    name = Path(data.boxes.file).name
    selection.unused_boxes = {
        f"{name}/{key}" if data.boxes.format == "voc" else f"{name}: {entry.where}": NO_IMAGE
        for key, entry in lost.items()
    }
    _take(sources, joined, data, plan, selection)
    if sum(reason in OF_JOIN for _, reason in selection.unlabelled) > len(selection.samples):
        selection.hint = HINT
    selection.samples.sort(key=in_order)
    return selection


def _refuse_lost(
    lost: Mapping[str, Entry], entries: Mapping[str, Entry], others: Sequence[Row], data: DataFiles
) -> None:
    """Raise DataError where too many boxes of a list are of no image here.

    With `unlisted: none` these images would be samples of nothing. What the plan leaves out is
    here all the same.
    """
    joined = join_entries([Source((row,), 0) for row in others], lost, data.boxes.join)
    nowhere = [entry for entry in joined.unused if _has_box(entry)]
    n = sum(map(_has_box, entries.values()))
    if len(nowhere) > data.boxes.max_unjoined * n:
        todo = "correct data.boxes.join, or what the list calls images"
        if len(nowhere) < n:
            todo += "; or, if the list has other hospitals' images, raise data.boxes.max_unjoined"
        raise DataError(
            f"{len(nowhere):,} of {n:,} images with a box in the list of boxes are not here (first "
            f"in {nowhere[0].where}); with data.boxes.unlisted: none their own images may count as "
            "without a finding",
            todo=todo,
            data="nothing was trained",
        )


def _has_box(entry: Entry) -> bool:
    return any(finding.is_box for finding in entry.everything)


def _take(
    sources: Sequence[Source], joined: Joined, data: DataFiles, plan: Plan, selection: Selection
) -> None:
    """Make samples of what has boxes, or nothing; give the others their reason."""
    classes, rules = plan.task.classes, data.boxes
    is_known = [is_asked(name, rules) for name in classes]
    for source, own, reason in zip(sources, joined.entries, joined.reasons, strict=True):
        boxes: tuple[Box, ...] = ()
        notes: tuple[str, ...] = ()
        if not reason:
            try:
                boxes, notes = boxes_of(own, source, classes, rules)
            except ValueError as error:
                reason = str(error)
        if reason and not (reason == NO_ENTRY and rules.unlisted == "none"):
            why = CodedReason(reason, "no_label" if reason == NO_ENTRY else "label")
            selection.unlabelled.append((source, why))
            selection.refused |= {row.name: why for row in source.rows}
            continue
        targets = presence([box.kind for box in boxes], is_known)
        patient = patient_of(source.rows[0], data)
        sample = Sample(source, targets, patient, {}, boxes=boxes, box_notes=notes)
        selection.samples.append(sample)


def _once(entries: Iterable[Entry]) -> list[Entry]:
    """Give each entry once: the frames of a file share theirs."""
    return [*{id(entry): entry for entry in entries}.values()]
