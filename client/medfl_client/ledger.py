"""The ledger: one line for everything that left, chained by hashes, written before it leaves.

Each line holds the SHA-256 of the line before, so a line that is changed, removed or moved later
breaks the chain at its place.
"""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from medfl_common.files import Json

START = "0" * 64  # what the first line names as the line before


def append(path: Path, entry: Mapping[str, Json]) -> None:
    """Add an entry and make it durable; return only when it is on the disk."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    previous = hashlib.sha256(lines[-1]).hexdigest() if lines else START
    line = json.dumps({"time": round(time.time(), 3), **entry, "previous": previous})
    with path.open("ab") as file:
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def first_broken_line(path: Path) -> int | None:
    """Give the number of the first line whose chain does not hold, counted from 1, or None."""
    previous = START
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            if json.loads(line)["previous"] != previous:
                return number
        except (ValueError, KeyError):
            return number
        previous = hashlib.sha256(line).hexdigest()
    return None
