"""Read the label file strictly: its encoding, its cells, its columns.

What a spreadsheet makes of a CSV is recognised and told with the line for site.yaml that mends it.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from medfl_client.config.site_file import DataFiles
from medfl_client.data.spreadsheet_damage import refuse_damage
from medfl_common.errors import DataError

IN_SITE_FILE = "below data: in site.yaml"
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .ods, .xls
UTF16 = (b"\xff\xfe", b"\xfe\xff")  # byte order marks
UTF8_AS_LATIN = "ï»¿"  # the mark of UTF-8, read as latin-1
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars", ",": "commas"}
SAVE = "save it as 'CSV UTF-8 (comma delimited)'"


def read_rows(
    path: Path, data: DataFiles, needed: tuple[str, ...]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line, cells by column) with blanks around cells removed; empty rows are none."""
    text = _read_text(path, data.encoding)
    lines, n_before = _after_directive(text, path, data)
    reader = csv.reader(io.StringIO(lines, newline=""), delimiter=data.cell_separator, strict=True)
    header: list[str] = []
    start = n_before + 1
    try:
        for values in reader:
            here, start = start, n_before + reader.line_num + 1
            if any("\n" in value or "\r" in value for value in values):
                raise DataError(
                    f"{path.name}: line {here} opens a quote that it does not close",
                    todo="close it, or take the line breaks out of the cells of this row",
                )
            cells = [value.strip() for value in values]
            if not header:
                header = _check_header(cells, path, needed, data)
            elif any(cells):
                yield here, _cells(cells, header, path, here, data)
    except csv.Error as error:
        raise DataError(
            f"{path.name}: line {start} is not valid CSV ({error})",
            todo="correct that line; often a quote is opened in it and not closed",
        ) from None
    if not header:
        raise DataError(f"{path.name} is empty", todo="name the columns in its first line")


def way_of_writing(path: Path) -> tuple[str, str]:
    """Say in which encoding a label file is written, and with which separator, as far as it shows.

    `read_rows` still says what is wrong with it.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return "utf-8", ","
    encoding = "utf-16" if data.startswith(UTF16) else "utf-8"
    try:
        text = data.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError:
        encoding = _older(data)
        text = data.decode(encoding, errors="replace")
    first = text.partition("\n")[0].strip()
    said = first.strip('"')
    if said.lower().startswith("sep=") and len(said) <= len("sep=;"):
        return encoding, said[len("sep=") :] or "\t"
    return encoding, max((",", ";", "\t", "|"), key=first.count)


def _after_directive(text: str, path: Path, data: DataFiles) -> tuple[str, int]:
    """Drop the line `sep=;` that a spreadsheet reads; give the rest and the number of lines."""
    first, _, rest = text.partition("\n")
    word = first.strip().strip('"').lower()
    if not word.startswith("sep=") or len(word) > len("sep=;"):
        return text, 0
    said = first.strip().strip('"')[len("sep=") :] or "\t"
    if said != data.cell_separator:
        raise DataError(
            f"{path.name}: line 1 says that {SEPARATORS.get(said, repr(said))} stand between cells",
            todo=f"write {_separator(said)} {IN_SITE_FILE}",
        )
    return rest, 1


def _separator(character: str) -> str:
    shown = "\\t" if character == "\t" else character
    return f'cell_separator: "{shown}"'


def _read_text(path: Path, encoding: str) -> str:
    try:
        data = path.read_bytes()
    except OSError:
        raise DataError(
            f"the label file {path.resolve()} cannot be read",
            todo="set data.labels in site.yaml, or let this user read it",
        ) from None
    _refuse_other_kinds(data, path, encoding)
    is_utf8 = encoding.lower() in ("utf-8", "utf8")
    try:
        text = data.decode("utf-8-sig" if is_utf8 else encoding)
    except LookupError:
        raise DataError(
            f"data.encoding {encoding!r} is unknown", todo="write utf-8 or latin-1"
        ) from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path.name}: line {line} is not {encoding.upper()}",
            todo=f"{SAVE}, or set data.encoding: write encoding: {_older(data)} {IN_SITE_FILE}",
        ) from None
    if not is_utf8 and _reads_as_utf8(data):
        raise DataError(
            f"{path.name} is UTF-8, and data.encoding is {encoding}",
            todo=f"write encoding: utf-8 {IN_SITE_FILE}",
        )
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(
            f"{path.name}: line {line} holds a NUL byte", todo="save the file as CSV again"
        )
    return text


def _refuse_other_kinds(data: bytes, path: Path, encoding: str) -> None:
    """Refuse workbooks, and UTF-16 under another name."""
    if data.startswith(WORKBOOKS):
        raise DataError(
            f"{path.name} is a spreadsheet's workbook, not a CSV",
            todo=f"open it and {SAVE}",
        )
    half = len(data[:2000]) // 2
    zeros = max(data[:2000:2].count(0), data[1:2000:2].count(0))
    is_utf16 = data.startswith(UTF16) or (half > 8 and zeros > 0.4 * half)
    if is_utf16 and not encoding.lower().replace("-", "").startswith("utf16"):
        raise DataError(
            f"{path.name} is UTF-16 ('Unicode text' of a spreadsheet)",
            todo=f"{SAVE}, or write encoding: utf-16 {IN_SITE_FILE}, and "
            f"{_separator(chr(9))} if tabs stand between its cells",
        )


def _older(data: bytes) -> str:
    """Name the older encoding of a spreadsheet: Windows', where a letter is only in that."""
    return "cp1252" if any(0x80 <= byte < 0xA0 for byte in data) else "latin-1"


def _reads_as_utf8(data: bytes) -> bool:
    """Say whether bytes are UTF-8 and more than ASCII: chance alone does not make them so."""
    if data.isascii():
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _check_header(
    header: list[str], path: Path, needed: tuple[str, ...], data: DataFiles
) -> list[str]:
    while header and not header[-1]:  # columns that a spreadsheet left behind
        header.pop()
    missing = [name for name in needed if name not in header]
    if missing:
        _refuse_other_separator(header, path, needed, data)
        raise DataError(
            f"{path.name}: no column {missing[0]!r}; it has: {', '.join(header)}",
            todo="correct data.boxes in site.yaml, or the list of boxes"
            if data.labels_from == "boxes"
            else "correct data in site.yaml (medfl-client data asks), or the label file",
        )
    doubled = {name for name in header if header.count(name) > 1}
    if doubled:
        raise DataError(
            f"{path.name}: the column {sorted(doubled)[0]!r} is there twice",
            todo="give each column a name of its own",
        )
    return header


def _refuse_other_separator(
    header: list[str], path: Path, needed: tuple[str, ...], data: DataFiles
) -> None:
    line = data.cell_separator.join(header)
    for character, words in SEPARATORS.items():
        names = {name.strip().strip('"') for name in line.split(character)}
        if character != data.cell_separator and names.issuperset(needed):
            raise DataError(
                f"{path.name}: {words} stand between its cells, not "
                f"{SEPARATORS.get(data.cell_separator, data.cell_separator)}",
                todo=f"write {_separator(character)} {IN_SITE_FILE}",
            )


def _cells(
    values: list[str], header: list[str], path: Path, line: int, data: DataFiles
) -> dict[str, str]:
    while len(values) > len(header) and not values[-1]:
        values.pop()
    if len(values) != len(header):
        raise DataError(
            f"{path.name}: line {line} has {len(values)} cells, the header {len(header)}",
            todo="put quotes around a cell that holds the separator, and leave no cell out",
        )
    cells = dict(zip(header, values, strict=True))
    refuse_damage(cells, data, f"{path.name}: line {line}")
    return cells
