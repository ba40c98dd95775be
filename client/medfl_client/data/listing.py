"""The one listing of files: for the index, `check` and training, and for `predict`.

Every name that is found gets a line. A reason says why one is not opened: nothing is passed over in
silence. Links are not followed, so nothing outside the folder is reached and no loop is entered.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from medfl_common.errors import DataError

LINK = "a link; links are not followed"
DICOMDIR = "a list of files (DICOMDIR); the files themselves are read"
SYSTEM_FILE = "written by an operating system (Thumbs.db, .DS_Store, desktop.ini); no image"
HIDDEN = "hidden (its name begins with a dot); not read"
NO_FILE = "a pipe, socket or device; medfl reads only files"
EMPTY = "the file is empty (0 bytes)"
GONE = "the file is gone"
CLOSED_FOLDER = "the folder may not be read"
CLOSED_FILE = "the file may not be read; check its permissions"
NOT_UTF8 = "its name is not UTF-8; rename it"
# What is no image of anybody, and no fault of the export.
NO_IMAGES = frozenset({LINK, DICOMDIR, SYSTEM_FILE, HIDDEN, NO_FILE})
_SYSTEM_NAMES = {"THUMBS.DB", "EHTHUMBS.DB", "DESKTOP.INI", ".DS_STORE"}


class Found(NamedTuple):
    """One name below a folder."""

    path: str  # below the folder, with forward slashes
    size: int = 0
    mtime_ns: int = 0
    reason: str = ""  # why it is not opened; empty: it is


def list_files(folder: Path) -> Iterator[Found]:
    """List every name below a folder."""
    waiting = [os.fspath(folder)]
    while waiting:
        place = waiting.pop()
        try:
            entries = list(os.scandir(place))
        except OSError:
            yield Found(f"{_name(folder, place)}/", reason=CLOSED_FOLDER)
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name.startswith("."):
                    yield Found(f"{_name(folder, entry.path)}/", reason=HIDDEN)
                else:
                    waiting.append(entry.path)
            else:
                yield _found(folder, entry)


def list_paths(paths: Sequence[Path]) -> list[Found]:
    """List files, and all names below folders, by their whole paths; raises DataError for none.

    A link that is named itself is followed; one below a named folder is not.
    """
    found: dict[str, Found] = {}
    for path in paths:
        whole = path.resolve()
        if not whole.exists():
            raise DataError(f"{_shown(os.fspath(whole))} is not there")
        if whole.is_dir():
            found |= {f.path: f for f in (_under(whole, one) for one in list_files(whole))}
        else:
            facts = whole.stat()
            name = _shown(os.fspath(whole))
            reason = _not_opened(whole.name, name, facts)
            found[name] = Found(name, facts.st_size, facts.st_mtime_ns, reason)
    if not found:
        raise DataError(f"there is no file under {', '.join(_shown(str(p)) for p in paths)}")
    return [found[name] for name in sorted(found)]


def _under(folder: Path, one: Found) -> Found:
    name = f"{os.fspath(folder).rstrip('/')}/{one.path}"
    if is_utf8(name):
        return one._replace(path=name)
    return one._replace(path=_shown(name), reason=one.reason or NOT_UTF8)


def _found(folder: Path, entry: "os.DirEntry[str]") -> Found:
    name = _name(folder, entry.path)
    try:
        facts = entry.stat(follow_symlinks=False)
    except OSError:  # deleted since the folder was listed
        return Found(name, reason=GONE)
    return Found(name, facts.st_size, facts.st_mtime_ns, _not_opened(entry.name, entry.path, facts))


def _not_opened(name: str, path: str, facts: os.stat_result) -> str:
    """Say why a file is not even opened; empty: it is."""
    if stat.S_ISLNK(facts.st_mode):
        return LINK
    if not stat.S_ISREG(facts.st_mode):
        return NO_FILE
    if name.upper() in _SYSTEM_NAMES or name.startswith("._"):
        return SYSTEM_FILE
    if name.startswith("."):
        return HIDDEN
    if name.upper() == "DICOMDIR":
        return DICOMDIR
    if not is_utf8(path):
        return NOT_UTF8
    return "" if facts.st_size else EMPTY


def is_utf8(text: str) -> bool:
    """Say whether a path's bytes are UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _name(folder: Path, path: str) -> str:
    return _shown(path[len(os.fspath(folder)) :].lstrip("/"))


def _shown(path: str) -> str:
    """Give a path as the index keeps it; bytes that are no UTF-8 are shown as numbers."""
    return path if is_utf8(path) else path.encode("utf-8", "backslashreplace").decode()
