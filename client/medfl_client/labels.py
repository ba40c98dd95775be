"""The label file: a CSV read strictly, one label per image, study or patient.

A fault in it is an error with its line; rows are never skipped or swallowed silently.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medfl_client.site_file import DataFiles
from medfl_common.errors import DataError


@dataclass(frozen=True)
class LabelRow:
    """One line of the label file."""

    line: int  # in the file, the header is line 1
    label: str  # the plan's word for it, after data.values
    cells: dict[str, str]  # every column


def read_labels(path: Path, data: DataFiles) -> dict[str, LabelRow]:
    """Read the label file: what the join column holds -> its row.

    Raises DataError with the line for a wrong encoding, an unclosed quote, a ragged row, a missing
    or doubled column, and for two rows that give one key different labels.
    """
    rows: dict[str, LabelRow] = {}
    for line, cells in _read_csv(path, (data.join_column, data.label_column)):
        key, text = cells[data.join_column], cells[data.label_column]
        row = LabelRow(line, data.values.get(text, text), cells)
        first = rows.setdefault(key, row)
        if first.label != row.label:
            raise DataError(
                f"{path.name}: lines {first.line} and {line} give the same {data.join_column} "
                f"the labels {first.label!r} and {row.label!r}; correct one"
            )
    return rows


def _read_csv(path: Path, needed: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line, cells by column) with blanks around cells removed."""
    text = _read_text(path)
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    header: list[str] = []
    start = 1
    try:
        for values in reader:
            if "\n" in "".join(values):
                raise DataError(f"{path.name}: line {start} opens a quote that it does not close")
            if not header:
                header = _check_header([value.strip() for value in values], path, needed)
            elif values:
                yield start, _cells(values, header, path, start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path.name}: line {start} is not valid CSV ({error})") from None
    if not header:
        raise DataError(f"{path.name} is empty; its first line must name the columns")


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError:
        raise DataError(f"the label file {path.resolve()} cannot be read") from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(f"{path.name}: line {line} is not UTF-8; save the file as UTF-8") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(f"{path.name}: line {line} holds a NUL byte; save the file as CSV again")
    return text


def _check_header(header: list[str], path: Path, needed: tuple[str, ...]) -> list[str]:
    doubled = {name for name in header if header.count(name) > 1}
    if doubled:
        raise DataError(f"{path.name}: the column {sorted(doubled)[0]!r} is there twice")
    for name in needed:
        if name not in header:
            raise DataError(f"{path.name}: no column {name!r}; it has: {', '.join(header)}")
    return header


def _cells(values: list[str], header: list[str], path: Path, line: int) -> dict[str, str]:
    if len(values) != len(header):
        raise DataError(
            f"{path.name}: line {line} has {len(values)} cells, the header {len(header)}"
        )
    return {name: value.strip() for name, value in zip(header, values, strict=True)}
