"""Write the list of left-out files; it stays at the hospital."""

from pathlib import Path

from medfl_common.ui.spreadsheet import csv_text


def write_left_out(refused: dict[str, str], path: Path) -> None:
    """Write (file, reason) rows."""
    rows = [("file", "reason"), *sorted(refused.items())]
    path.write_text(csv_text(rows), encoding="utf-8", errors="surrogateescape", newline="")
