"""Write the list of left-out files; it stays at the hospital."""

from pathlib import Path

from medfl_common.files import write_atomic
from medfl_common.ui.spreadsheet import csv_text


def write_left_out(refused: dict[str, str], path: Path) -> None:
    """Write (file, reason) rows."""
    rows = [("file", "reason"), *sorted(refused.items())]
    write_atomic(path, csv_text(rows).encode("utf-8", "backslashreplace"))
