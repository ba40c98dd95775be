"""The list of files that take no part, for the hospital's own eyes."""

import csv
from pathlib import Path


def write_left_out(refused: dict[str, str], path: Path) -> None:
    """Write (file, reason) rows; a cell that a spreadsheet would run as a formula is quoted."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "reason"])
        for name, reason in sorted(refused.items()):
            writer.writerow([f"'{name}" if name[:1] in "=+-@" else name, reason])
