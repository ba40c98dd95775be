"""Write every CSV file of medfl. No cell of it runs as a formula in a spreadsheet.

A cell that begins like a formula, but is no number, gets an apostrophe in front.
Source: OWASP, CSV Injection. https://owasp.org/www-community/attacks/CSV_Injection
"""

import csv
import io
import re
from collections.abc import Iterable
from typing import TextIO

# Where a spreadsheet cuts at semicolons or tabs, a formula may stand behind one inside a cell.
BEHIND_A_CUT = re.compile("([;\t\r\n] *)(?=[=+\\-@\uff1d\uff0b\uff0d\uff20])")
# With these a spreadsheet begins a formula, or breaks a cell in two; the last four are full-width.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class CsvWriter:
    """Writes rows to a text file, opened with newline=""."""

    def __init__(self, file: TextIO) -> None:
        self._writer = csv.writer(file, lineterminator="\n")

    def row(self, cells: Iterable[object]) -> None:
        """Write one row."""
        self._writer.writerow([safe_cell(cell) for cell in cells])

    def rows(self, rows: Iterable[Iterable[object]]) -> None:
        """Write rows."""
        for cells in rows:
            self.row(cells)


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Return rows as the text of a CSV file."""
    file = io.StringIO()
    CsvWriter(file).rows(rows)
    return file.getvalue()


def safe_cell(value: object) -> str:
    """Return a cell's text, with an apostrophe if a spreadsheet would run it."""
    text = BEHIND_A_CUT.sub(r"\1'", "" if value is None else str(value))
    if text.lstrip(" ").startswith(FORMULA) and not _is_number(text):
        return f"'{text}"
    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
