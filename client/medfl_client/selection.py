"""Which indexed images take part in a plan, and why the others do not. Nothing is lost silently."""

from collections import defaultdict
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from medfl_client.dicom.index import Row
from medfl_client.labels import LabelRow
from medfl_client.site_file import DataFiles, pseudonym
from medfl_common.errors import DataError
from medfl_common.plan import Plan


@dataclass(frozen=True)
class Sample:
    """One image that takes part."""

    row: Row
    label: int  # index into the plan's classes
    cells: dict[str, str]  # its line of the label file


@dataclass(frozen=True)
class Selection:
    """The images of a plan, ordered by SOPInstanceUID, so that no path or scan order matters."""

    samples: list[Sample]
    refused: dict[str, str]  # path -> reason
    n_labels_unused: int  # label rows without an image


def select(
    rows: list[Row],
    labels: dict[str, LabelRow],
    data: DataFiles,
    plan: Plan,
    secret: bytes,
    folder: Path,
) -> Selection:
    """Join index and labels for a plan.

    Raises DataError where a label is not one of the plan's classes: that is for a person to decide.
    """
    refused = {row.path: row.reason for row in rows if row.reason}
    usable = [row for row in rows if not row.reason]
    for row in usable:
        if row.modality not in plan.images.modality:
            refused[row.path] = f"modality {row.modality or 'missing'}: not in the plan"
    refused |= _duplicates([row for row in usable if row.path not in refused], folder)
    by_key = _keyed(labels, data, secret)
    samples, used = [], set()
    for row in usable:
        key = _key(row, data)
        label = by_key.get(key)
        if label is not None:
            used.add(key)
        if row.path in refused:
            continue
        if label is None:
            refused[row.path] = "no label"
            continue
        samples.append((row, label))
    return Selection(
        samples=_classified(samples, plan, data),
        refused=refused,
        n_labels_unused=len(by_key.keys() - used),
    )


def _key(row: Row, data: DataFiles) -> str:
    return {
        "SOPInstanceUID": row.sop,
        "StudyInstanceUID": row.study,
        "PatientID": row.patient,
        "path": row.path,
    }[data.join]


def _keyed(labels: dict[str, LabelRow], data: DataFiles, secret: bytes) -> dict[str, LabelRow]:
    """Give the labels under the keys that the index uses: patients by their pseudonym."""
    if data.join != "PatientID":
        return labels
    return {pseudonym(secret, key): row for key, row in labels.items()}


def _classified(samples: list[tuple[Row, LabelRow]], plan: Plan, data: DataFiles) -> list[Sample]:
    number = {name: i for i, name in enumerate(plan.task.classes)}
    unknown = sorted({label.label for _, label in samples} - set(number))
    if unknown:
        lines = [label.line for _, label in samples if label.label == unknown[0]]
        raise DataError(
            f"the label {unknown[0]!r} ({len(lines)} images, first in line {min(lines)}) is not a "
            f"class of the plan ({', '.join(plan.task.classes)}); correct it, or map it under "
            f"data.values in site.yaml; nothing was trained"
        )
    chosen = [Sample(row, number[label.label], label.cells) for row, label in samples]
    return sorted(chosen, key=lambda sample: sample.row.sop)


def _duplicates(rows: list[Row], folder: Path) -> dict[str, str]:
    """Refuse copies of an image, and both of two images that claim the same SOPInstanceUID."""
    by_sop: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_sop[row.sop].append(row)
    refused: dict[str, str] = {}
    for same in by_sop.values():
        if len(same) == 1:
            continue
        contents = {sha256((folder / row.path).read_bytes()).digest() for row in same}
        if len(contents) == 1:
            refused |= {row.path: "copy of another file" for row in same[1:]}
        else:
            reason = "SOPInstanceUID is used by different images"
            refused |= {row.path: reason for row in same}
    return refused
