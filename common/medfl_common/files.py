"""Files that are whole after a crash, and what JSON may hold."""

import os
from pathlib import Path

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that after a crash it is the old one or the new one, whole."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
