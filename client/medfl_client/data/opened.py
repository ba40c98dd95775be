"""Files that a worker may read: its parent opens them, because a locked worker can open none."""

from pathlib import Path
from typing import BinaryIO


def open_file(path: Path) -> BinaryIO:
    """Open a file for reading, at its beginning."""
    return path.open("rb")
