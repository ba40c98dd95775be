"""Files that a worker may read: its parent opens them, because a locked worker can open none."""

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

WINDOW = 64  # descriptors that a worker holds at a time

Fetch = Callable[[int], list[tuple[int, int]]]  # from a place on: (descriptor, or error) of each


class Files:
    """The files of one batch, by their paths; descriptors are fetched a window at a time."""

    def __init__(self, paths: list[str], fetch: Fetch) -> None:
        self._places = {path: place for place, path in enumerate(paths)}
        self._fetch = fetch
        self._held: dict[int, tuple[int, int]] = {}

    def open(self, path: str) -> BinaryIO:
        """Open one at its beginning; raises OSError as the system did to the parent."""
        place = self._places.get(path)
        if place is None:
            raise PermissionError(13, "not a file of this batch")
        if place not in self._held:
            first = place - place % WINDOW
            self.hold(first, self._fetch(first))
        descriptor, error = self._held[place]
        if error:
            raise OSError(error, os.strerror(error))
        file = os.fdopen(os.dup(descriptor), "rb")
        file.seek(0)
        return file

    def hold(self, first: int, window: list[tuple[int, int]]) -> None:
        """Hold what was fetched, in place of what was held."""
        self.close()
        self._held = dict(enumerate(window, start=first))

    def close(self) -> None:
        """Close what is held."""
        for descriptor, error in self._held.values():
            if not error:
                with suppress(OSError):
                    os.close(descriptor)
        self._held = {}


_files: Files | None = None  # None: this process is no worker, and opens files itself


def use(files: Files | None) -> None:
    """Open only these files from now on."""
    global _files
    _files = files


def open_file(path: Path) -> BinaryIO:
    """Open a file for reading, at its beginning."""
    return path.open("rb") if _files is None else _files.open(os.fspath(path))


def open_plain(path: str) -> int:
    """Open a file for another process; raises OSError for a link or what is no file.

    It never waits, not even for a pipe that took the file's name meanwhile.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(22, "not a file")
    return descriptor
