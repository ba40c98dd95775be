"""Look where a hospital's images and labels may be, so that a person confirms more than types.

Only names of folders and the first lines of a CSV are looked at. A guess is shown as the default of
a question, and stands in site.yaml, where a person changes it.
"""

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import get_args

from medfl_client.config.folder import home_of
from medfl_client.config.site_file import Join
from medfl_client.config.site_template import DataAnswers
from medfl_common.errors import ConfigError
from medfl_common.plan.task import Task

Ask = Callable[[str, str], str]  # a question and its default; gives the answer
SEPARATORS = (",", ";", "\t", "|")
N_ROWS = 1000  # of the label file, looked at for the plan's classes
IMAGES = ("dicom", "images", "data")  # names of folders, the likeliest first
LABELS = ("labels", "label", "annotations")
EXAMPLES = DataAnswers()


@dataclass(frozen=True)
class Given:
    """What was said on the command line; empty: it is to be found or asked."""

    data: str = ""
    labels: str = ""
    join_column: str = ""
    label_column: str = ""


@dataclass(frozen=True)
class Table:
    """The first lines of a label file."""

    separator: str
    columns: list[str]
    rows: list[list[str]]


def find_data(folder: Path, task: Task, given: Given, ask: Ask) -> DataAnswers:
    """Ask where the data are; raises ConfigError for what was given and is not there.

    Args:
        folder: The site's directory, to which answers are made relative.
        task: Of the plan: the label column is the one that holds its classes.
        given: What needs no question.
        ask: Asks a person, or takes the default.
    """
    images = _given("--data", given.data) or _place(
        folder, ask("Folder with the DICOM files", _shown(folder, _images(folder)))
    )
    labels = _given("--labels", given.labels) or _place(
        folder, ask("Label file, a CSV", _shown(folder, _labels(folder, images)))
    )
    table = read_table(labels)
    join_column = given.join_column or ask("Column that says which image", _join_column(table))
    label_column = given.label_column or _ask_label(table, task, ask)
    return DataAnswers(
        _relative(folder, images),
        _relative(folder, labels),
        kind_of(join_column) or EXAMPLES.join,
        join_column,
        label_column,
        table.separator,
    )


def read_table(path: Path) -> Table:
    """Read the first lines of a CSV; a file that is not there has no columns."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            lines = [line[:100_000] for line in islice(file, N_ROWS)]
    except OSError:
        return Table(",", [], [])
    separator = max(SEPARATORS, key=lines[0].count) if lines else ","
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]
    return Table(separator, rows[0] if rows else [], rows[1:])


def kind_of(column: str) -> Join | None:
    """Say what a column of this name holds; None: it is not known."""
    word = re.sub(r"[^a-z]", "", column.lower())
    kinds: dict[str, Join] = {kind.lower(): kind for kind in get_args(Join)}
    short: dict[str, Join] = {
        "sopuid": "SOPInstanceUID", "image": "path", "file": "path", "filename": "path",
        "imagepath": "path", "filepath": "path", "seriesuid": "SeriesInstanceUID",
        "studyuid": "StudyInstanceUID", "patient": "PatientID", "accession": "AccessionNumber",
    }  # fmt: skip
    return kinds.get(word) or short.get(word)


def _ask_label(table: Table, task: Task, ask: Ask) -> str:
    """Ask for the label column; multilabel: each finding may have a column of its own."""
    if task.type == "multilabel" and {*task.classes} <= {*table.columns}:
        return ""
    return ask("Column with the label", _label_column(table, task.classes))


def _join_column(table: Table) -> str:
    order = {kind: rank for rank, kind in enumerate(get_args(Join))}
    known = [(order[kind], name) for name in table.columns if (kind := kind_of(name))]
    return min(known)[1] if known else EXAMPLES.join_column


def _label_column(table: Table, classes: Sequence[str]) -> str:
    """Name the column in which the most cells are the plan's classes."""
    counts = {
        name: sum(len(row) > i and row[i] in classes for row in table.rows)
        for i, name in enumerate(table.columns)
    }
    best = max(counts, key=lambda name: counts[name], default="")
    return best if best and counts[best] else EXAMPLES.label_column


def _images(folder: Path) -> Path:
    bases = dict.fromkeys((folder, home_of(folder), Path()))
    places = [base / name for base in bases for name in IMAGES]
    return next((place for place in places if place.is_dir()), folder / EXAMPLES.folder)


def _labels(folder: Path, images: Path) -> Path:
    for base in dict.fromkeys((folder, images.parent, images, home_of(folder), Path())):
        found = sorted(base.glob("*.csv")) if base.is_dir() else []
        if found:
            return next((path for path in found if path.stem.lower() in LABELS), found[0])
    return folder / EXAMPLES.labels


def _given(option: str, said: str) -> Path | None:
    """Give the path of an option, which is relative to where the command is typed."""
    if said and not Path(said).exists():
        raise ConfigError(f"{option} {said} is not there", todo="name another")
    return Path(said) if said else None


def _place(folder: Path, said: str) -> Path:
    """Give the path of an answer: below the site's directory, else below this one."""
    answer = Path(said).expanduser()
    is_here = not (folder / answer).exists() and answer.exists()
    return answer if is_here else folder / answer


def _relative(folder: Path, path: Path) -> str:
    """Write a path as site.yaml has it: relative where it is below the site's directory."""
    whole, base = path.resolve(), folder.resolve()
    return whole.relative_to(base).as_posix() if whole.is_relative_to(base) else str(whole)


def _shown(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
