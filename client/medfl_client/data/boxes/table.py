"""Boxes, or places with a diameter, from a CSV."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from medfl_client.config.box_files import NIH_COLUMNS
from medfl_client.config.site_file import DataFiles
from medfl_client.data.boxes.listed import (
    DECIMAL_COMMA,
    MAX_LETTERS,
    Entry,
    Listed,
    Numbers,
    Written,
    corners,
    number,
    read_list,
)
from medfl_client.data.label_file import read_rows
from medfl_common.errors import DataError

NIH_SIZE = (1024, 1024)  # all pictures of ChestX-ray14 have it
EMPTY = ("", "nan", "na", "n/a", "null", "none")  # what R and Python write into empty cells


@dataclass(frozen=True)
class _Columns:
    """Where in a line is what."""

    image: str
    kind: str  # empty: all are of one class
    places: tuple[str, ...]
    written: Written | None  # None: x, y, z and diameter, in mm
    frame: str = ""


def read_table(path: Path, data: DataFiles, key_of: Callable[[str], str]) -> dict[str, Entry]:
    """Read a CSV: what its image column holds, through `key_of` -> what is said of the image.

    A line without class and place says that somebody looked, and that nothing is there; of one with
    a class alone its name decides. Raises DataError with the line for what is no CSV, and for a
    list with decimal commas.
    """
    read_list(path)  # within bounds; read_rows opens it again
    rules, columns = data.boxes, _columns(data)
    size = NIH_SIZE if rules.format == "nih" else None
    if rules.image_size:
        size = (rules.image_size[0], rules.image_size[1])
    about = data.model_copy(
        update={"join_column": columns.image, "label_column": columns.kind, "values": rules.names,
                "patient_column": ""}
    )  # fmt: skip
    used = (columns.image, columns.kind, *columns.places, columns.frame)
    found: dict[str, Entry] = {}
    for line, cells in read_rows(path, about, tuple(filter(None, used))):
        where = f"line {line}"
        key = key_of(cells[columns.image])
        entry = found.setdefault(key, Entry(where, size=size))
        try:
            entry = entry.frame(_frame(cells, columns), where)
            finding = _finding(cells, columns, where)
        except ValueError as error:
            entry.blame(where, str(error))
            continue
        if finding is None:
            entry.nothing = entry.nothing or where
        else:
            entry.add(finding)
    _refuse_commas(found, path)
    return found


def _refuse_commas(found: Mapping[str, Entry], path: Path) -> None:
    """Raise DataError where most places have decimal commas: what is left would be no sample."""
    boxes = [one for entry in found.values() for one in entry.everything if one.is_box]
    wrong = [one for one in boxes if one.fault.endswith(DECIMAL_COMMA)]
    if 2 * len(wrong) > len(boxes):
        raise DataError(
            f"{path.name}: {wrong[0].where}: {wrong[0].fault.partition(':')[0]}, and so have "
            f"{len(wrong):,} of {len(boxes):,} boxes",
            todo="save the list with decimal points, such as 12.5",
            data="nothing was trained",
        )


def _columns(data: DataFiles) -> _Columns:
    rules = data.boxes
    if rules.format == "nih":
        return _Columns("Image Index", "Finding Label", NIH_COLUMNS, "size")
    if rules.position_columns:
        places = (*rules.position_columns, rules.diameter_column)
        return _Columns(rules.image_column, rules.class_column, places, None)
    return _Columns(
        rules.image_column, rules.class_column, tuple(rules.columns), rules.box, rules.frame_column
    )


def _frame(cells: Mapping[str, str], columns: _Columns) -> int:
    """Give the frame of a line; 0: it says none. Raises ValueError for what is no frame."""
    if not columns.frame or _is_empty(cells[columns.frame]):
        return 0
    frame = number(cells[columns.frame], columns.frame)
    if frame < 1 or frame != int(frame):
        raise ValueError(f"{columns.frame} is no whole number from 1")
    return int(frame)


def _finding(cells: Mapping[str, str], columns: _Columns, where: str) -> Listed | None:
    """Give what a line names; None: nothing is there. Raises ValueError with what is wrong."""
    name = cells[columns.kind][:MAX_LETTERS] if columns.kind else ""
    texts = [cells[column] for column in columns.places]
    if all(map(_is_empty, texts)):
        return None if _is_empty(name) else Listed(where, name, ())
    if columns.kind and not name:
        raise ValueError("the box has no class")
    try:
        numbers = [number(t, column) for t, column in zip(texts, columns.places, strict=True)]
        return Listed(where, name, _place(numbers, columns.written))
    except ValueError as error:
        return Listed(where, name, (), str(error))


def _is_empty(text: str) -> bool:
    return text.lower() in EMPTY


def _place(numbers: list[float], written: Written | None) -> Numbers:
    if written is not None:
        return corners(numbers, written)
    if numbers[-1] <= 0:
        raise ValueError("the diameter is not above 0")
    return tuple(numbers)
