"""Boxes, or places with a diameter, from a CSV."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from medfl_client.config.box_files import NIH_COLUMNS
from medfl_client.config.site_file import DataFiles
from medfl_client.data.boxes.listed import (
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

NIH_SIZE = (1024, 1024)  # all pictures of ChestX-ray14 have it


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

    A line without place says that somebody looked, and that nothing is there; so does a line
    without class and place. Raises DataError with the line for what is no CSV.
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
            finding = _finding(cells, columns, where)
        except ValueError as error:
            entry.blame(where, str(error))
            continue
        if finding is None:
            entry.nothing = entry.nothing or where
        else:
            entry.add(finding)
    return found


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


def _finding(cells: Mapping[str, str], columns: _Columns, where: str) -> Listed | None:
    """Give the finding of a line; None: nothing is there. Raises ValueError with what is wrong."""
    name = cells[columns.kind][:MAX_LETTERS] if columns.kind else ""
    texts = [cells[column] for column in columns.places]
    if not any(texts):
        return None
    if columns.kind and not name:
        raise ValueError("the box has no class")
    numbers = [number(t, column) for t, column in zip(texts, columns.places, strict=True)]
    frame = number(cells[columns.frame], columns.frame) if columns.frame else 0
    if columns.frame and (frame < 1 or frame != int(frame)):
        raise ValueError(f"{columns.frame} is no whole number from 1")
    return Listed(where, name, _place(numbers, columns.written), int(frame))


def _place(numbers: list[float], written: Written | None) -> Numbers:
    if written is not None:
        return corners(numbers, written)
    if numbers[-1] <= 0:
        raise ValueError("the diameter is not above 0")
    return tuple(numbers)
