"""Labels: from a CSV read strictly, from the folders' names, or from a DICOM tag.

A fault in the CSV is an error with its line; rows are never skipped or swallowed silently.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from medfl_client.config.site_file import DataFiles, Join
from medfl_client.data.dicom.header import Row, pseudonym
from medfl_client.data.dicom.patch import Position
from medfl_client.data.label_file import read_rows
from medfl_client.data.spelling import composed
from medfl_client.data.spreadsheet_damage import hint_of_join
from medfl_common.errors import DataError
from medfl_common.plan.plan import Plan
from medfl_common.plan.task import Task

UNKNOWN = "unknown"  # a word of data.values: this label is not known
SPLIT = "split"  # the column of a given split
NONE = "none"  # a word of data.values: no finding of the plan
OF_PIXELS = ("masks", "boxes")  # labels_from, for a segmentation and a detection
SECRET = ("PatientID", "AccessionNumber")  # the index holds their HMACs
_WORDS = {
    "1": 1.0, "1.0": 1.0, "0": 0.0, "0.0": 0.0, "": math.nan, UNKNOWN: math.nan,
    "-1": math.nan, "-1.0": math.nan,
}  # fmt: skip


@dataclass(frozen=True)
class LabelRow:
    """What is said of one image, series, study or patient, or of one place in a series."""

    line: int  # in the CSV, the header is line 1; 0: it has no line
    words: tuple[str, ...]  # one word, or one per finding; after data.values
    cells: dict[str, str]  # every column
    position: Position | None = None  # of a candidate


@dataclass(frozen=True)
class Labels:
    """The labels of a site: by key from a CSV, or found for each file."""

    by_key: dict[str, list[LabelRow]]  # one row, or one for each candidate
    keys: Callable[[Row], list[str]]  # the keys under which a file's label may be
    # what the site file should say instead, where these files have no label; empty: not known
    hint: Callable[[Sequence[Row]], str] = lambda files: ""


def read_labels(base: Path, data: DataFiles, plan: Plan, secret: bytes) -> Labels:
    """Read where the labels are; paths are relative to `base`.

    Raises DataError with the line for a wrong encoding, an unclosed quote, a ragged row, a missing
    or doubled column, a position that is no number, and for two rows that give one key, or one
    position of it, different labels.
    """
    _check_positions(data, plan)
    refuse_other_labels(data, plan)
    if data.labels_from != "csv":
        return Labels({}, lambda row: [])
    path = base / data.labels

    def key_of(text: str, join: str = data.join) -> str:
        if join == "path":
            return composed(text)
        return pseudonym(secret, text) if join in SECRET else text

    rows = read_csv(path, data, _label_columns(data, plan.task), key_of)

    def hint(files: Sequence[Row]) -> str:
        cells = [label.cells for found in rows.values() for label in found]
        known = {join: {k for row in files for k in keys_of(row, join)} for join in get_args(Join)}
        return hint_of_join(cells, data, lambda join, text: key_of(text, join), known)

    return Labels(rows, lambda row: keys_of(row, data.join), hint)


def find_label(row: Row, labels: Labels, data: DataFiles) -> tuple[str, LabelRow] | None:
    """Give the key and the (first) label of one file; None where there is none."""
    if data.labels_from != "csv":
        is_folder = data.labels_from == "folder"
        text = row.path.split("/")[0] if is_folder and "/" in row.path else row.tag_label
        word = data.values.get(text, text)
        return ("", LabelRow(0, (word,), {"label": text})) if text else None
    found = [(key, labels.by_key[key][0]) for key in labels.keys(row) if key in labels.by_key]
    return found[0] if found else None


def find_candidates(rows: Sequence[Row], labels: Labels) -> list[LabelRow]:
    """Give the candidates of a series, each once, whichever of its files they are joined to."""
    keys = {key: None for row in rows for key in labels.keys(row)}
    return [label for key in keys for label in labels.by_key.get(key, ())]


def encode(label: LabelRow, task: Task, data: DataFiles) -> tuple[float, ...] | None:
    """Give a sample's targets: (class,), or for multilabel 1, 0 or NaN (unknown) per finding.

    None where nothing is known of it. Raises ValueError with a word that the plan does not know.
    """
    if task.type != "multilabel":
        word = label.words[0]
        if word in ("", UNKNOWN):
            return None
        if word not in task.classes:
            raise ValueError(word)
        return (float(task.classes.index(word)),)
    known = _from_list(label.words[0], task, data) if data.separator else _from_cells(label.words)
    return None if all(math.isnan(value) for value in known) else known


def count_labels(targets: Sequence[tuple[float, ...]], task: Task) -> dict[str, int]:
    """Count samples by class; where one may have several: those that have each."""
    if task.has_several and not task.has_masks:
        return {name: sum(t[i] == 1 for t in targets) for i, name in enumerate(task.classes)}
    if task.has_masks:  # each image has the background
        found = {name: sum(t[i] == 1 for t in targets) for i, name in enumerate(task.foreground)}
        return {task.classes[0]: len(targets), **found}
    return {name: sum(t[0] == i for t in targets) for i, name in enumerate(task.classes)}


def _from_cells(words: tuple[str, ...]) -> tuple[float, ...]:
    for word in words:
        if word.lower() not in _WORDS:
            raise ValueError(word)
    return tuple(_WORDS[word.lower()] for word in words)


def _from_list(text: str, task: Task, data: DataFiles) -> tuple[float, ...]:
    """Read findings that stand in one cell, such as `Edema|Effusion`."""
    if text in ("", UNKNOWN):
        return (math.nan,) * len(task.classes)
    words = [word.strip() for word in text.split(data.separator)]
    named = {data.values.get(word, word) for word in words} - {NONE}
    for word in sorted(named - set(task.classes)):
        raise ValueError(word)
    return tuple(float(name in named) for name in task.classes)


def _check_positions(data: DataFiles, plan: Plan) -> None:
    sample = plan.images.sample
    if sample == "candidate" and not data.position_columns:
        raise DataError(
            "the plan's samples are candidates",
            todo="set data.position_columns in site.yaml to the columns of x, y and z, such as "
            "[coordX, coordY, coordZ]",
        )
    if sample != "candidate" and data.position_columns:
        raise DataError(
            "data.position_columns is set in site.yaml, and a sample of the plan is of a whole "
            f"{sample}",
            todo=f"leave position_columns out, and have one label for each {sample}",
        )


def refuse_other_labels(data: DataFiles, plan: Plan) -> None:
    """Raise DataError where the plan needs masks, or boxes, and the site has others, or reverse."""
    if plan.task.has_masks and data.labels_from != "masks":
        raise DataError(
            "the plan is a segmentation, its labels are masks, and data.labels_from is "
            f"{data.labels_from}",
            todo="write labels_from: masks in site.yaml, and below masks: where they are",
        )
    if plan.task.has_boxes and data.labels_from != "boxes":
        raise DataError(
            "the plan is a detection, its labels are boxes, and data.labels_from is "
            f"{data.labels_from}",
            todo="write labels_from: boxes in site.yaml, and below boxes: where they are",
        )
    if not plan.task.is_dense and data.labels_from in OF_PIXELS:
        raise DataError(
            f"the plan is {plan.task.type}, and data.labels_from is {data.labels_from}",
            todo="name the CSV of labels in site.yaml",
        )


def _label_columns(data: DataFiles, task: Task) -> tuple[str, ...]:
    if data.label_column:
        if task.type == "multilabel" and not data.separator:
            raise DataError(
                "the plan is multilabel",
                todo="set data.separator for findings in one label_column, or leave label_column "
                "out and name a column per finding in label_columns",
            )
        return (data.label_column,)
    if task.type != "multilabel":
        raise DataError(
            "data.label_column is missing in site.yaml",
            todo="name the column that is the label",
        )
    return tuple(data.label_columns.get(name, name) for name in task.classes)


def keys_of(row: Row, join: str) -> list[str]:
    """Give what a file is called by in a label file that is joined so."""
    if join == "path":  # of the image, its file or its folder
        keys = [composed(k) for k in (row.name, row.path, row.path.rpartition("/")[0])]
    else:
        keys = [
            {
                "SOPInstanceUID": row.sop,
                "SeriesInstanceUID": row.series,
                "StudyInstanceUID": row.study,
                "PatientID": row.patient,
                "AccessionNumber": row.accession,
            }[join]
        ]
    return [key for key in keys if key]  # what has no number has no label by it


def read_csv(
    path: Path, data: DataFiles, columns: tuple[str, ...], key_of: Callable[[str], str] = str
) -> dict[str, list[LabelRow]]:
    """Read the label file: what the join column holds, through `key_of` -> its row.

    With data.position_columns: -> its rows, one for each position.
    """
    rows: dict[str, list[LabelRow]] = defaultdict(list)
    known: dict[tuple[str, Position | None], LabelRow] = {}
    patient = [data.patient_column] if data.patient_column else []
    split = [SPLIT] if data.split == "given" else []
    needed = (data.join_column, *columns, *patient, *data.position_columns, *split)
    for line, cells in read_rows(path, data, needed):
        key, texts = key_of(cells[data.join_column]), [cells[column] for column in columns]
        words = tuple(data.values.get(text, text) for text in texts)
        row = LabelRow(line, words, cells, _position(cells, data, f"{path.name}: line {line}"))
        first = known.setdefault((key, row.position), row)
        if first is row:
            rows[key].append(row)
        elif first.words != words:
            what = data.join_column + " and position" * bool(data.position_columns)
            raise DataError(
                f"{path.name}: lines {first.line} and {line} give the same {what} the labels "
                f"{_shown(first)} and {_shown(row)}",
                todo="correct one",
            )
    return dict(rows)


def _position(cells: dict[str, str], data: DataFiles, where: str) -> Position | None:
    if not data.position_columns:
        return None
    x, y, z = (_millimetres(cells[name], name, where) for name in data.position_columns)
    return x, y, z


def _millimetres(text: str, column: str, where: str) -> float:
    number = math.nan
    with suppress(ValueError):
        number = float(text)
    if not math.isfinite(number):
        raise DataError(
            f"{where} has {text!r} as {column}",
            todo="write a position in mm, as -12.5",
        )
    return number


def _shown(row: LabelRow) -> str:
    return repr(row.words[0] if len(row.words) == 1 else ", ".join(row.words))
