"""Which indexed images take part in a detection: those that a list of boxes names."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from medfl_client.config.site_file import DataFiles
from medfl_client.data.boxes.drawn import boxes_of
from medfl_client.data.boxes.joined import NO_ENTRY, NO_IMAGE, Joined, join_entries
from medfl_client.data.boxes.listed import Entry
from medfl_client.data.boxes.lists import read_entries, refuse_other_plan
from medfl_client.data.boxes.names import refuse_unmapped
from medfl_client.data.boxes.places import presence
from medfl_client.data.dicom.header import Row
from medfl_client.data.labels import refuse_other_labels
from medfl_client.data.reader import Source
from medfl_client.data.selection import Sample, Selection, in_order, patient_of, sources_of
from medfl_common.plan.plan import Plan

HINT = (
    "medfl-client index shows which image the list of boxes does not name; data.boxes.join in "
    "site.yaml says what the list calls an image by"
)


def select_boxed(
    base: Path, data: DataFiles, plan: Plan, rows: Iterable[Row], secret: bytes
) -> Selection:
    """Join the images and boxes of a site for a plan; paths are relative to `base`.

    Raises DataError where a box has a name that the site file does not map: that is for a person to
    decide.
    """
    refuse_other_labels(data, plan)
    refuse_other_plan(data, plan)
    entries = read_entries(base, data, secret)
    sources, reasons = sources_of(rows, data, plan, base / data.folder)
    joined = join_entries(sources, entries, data.boxes.join)
    used = [entry for own in joined.entries for entry in own]
    names = [finding.name for entry in _once(used) for finding in entry.findings]
    refuse_unmapped(names, plan.task.classes, data.boxes)
    selection = Selection(refused=reasons, hint=HINT)
    selection.n_labels_unused = len(joined.unused)
    unused, name = {*map(id, joined.unused)}, Path(data.boxes.file).name
    selection.unused_boxes = {
        f"{name}/{key}" if data.boxes.format == "voc" else f"{name}: {entry.where}": NO_IMAGE
        for key, entry in entries.items()
        if id(entry) in unused
    }
    _take(sources, joined, data, plan, selection)
    selection.samples.sort(key=in_order)
    return selection


def _take(
    sources: Sequence[Source], joined: Joined, data: DataFiles, plan: Plan, selection: Selection
) -> None:
    """Make samples of what has boxes, or nothing; give the others their reason."""
    classes = plan.task.classes
    for source, own, reason in zip(sources, joined.entries, joined.reasons, strict=True):
        if reason == NO_ENTRY and data.boxes.unlisted == "none":
            reason = ""
        try:
            boxes, notes = boxes_of(own, source, classes, data.boxes)
        except ValueError as error:
            boxes, notes, reason = (), (), str(error)
        if reason:
            selection.unlabelled.append((source, reason))
            selection.refused |= {row.name: reason for row in source.rows}
            continue
        targets = presence([box.kind for box in boxes], len(classes))
        patient = patient_of(source.rows[0], data)
        sample = Sample(source, targets, patient, {}, boxes=boxes, box_notes=notes)
        selection.samples.append(sample)


def _once(entries: Iterable[Entry]) -> list[Entry]:
    """Give each entry once: the frames of a file share theirs."""
    return [*{id(entry): entry for entry in entries}.values()]
