"""Files that are whole after a crash, private files, locked folders, and what JSON may hold."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import ENOSPC
from pathlib import Path

from medfl_common.errors import ConfigError, RunError
from medfl_common.full import SQLITE_FULL

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def write_atomic(path: Path, data: bytes, mode: int | None = None) -> None:
    """Write a file so that after a crash it is the old one or the new one, whole."""
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:  # a full disk is not made fuller
        error.filename = error.filename or str(path)
        partial.unlink(missing_ok=True)
        raise
    partial.replace(path)
    _sync_folder(path.parent)


def write_private(path: Path, data: bytes) -> None:
    """Write a whole file that only its owner may read; a folder made for it is private too."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomic(path, data, 0o600)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Have an error of the system name the file that is worked on, as one of opening it does.

    Where SQLite says that the disk is full, the system's error is raised.
    """
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    except Exception as error:
        if getattr(error, "sqlite_errorcode", None) in SQLITE_FULL:
            raise OSError(ENOSPC, os.strerror(ENOSPC), str(path)) from error
        raise


def temporary_folder() -> Path:
    """Name the folder for temporary files; raises ConfigError where none can be written."""
    try:
        return Path(tempfile.gettempdir())
    except OSError:
        raise ConfigError(
            "no folder for temporary files can be written (TMPDIR, /tmp, /var/tmp), and training "
            "needs one",
            todo="let this user write in /tmp, or set TMPDIR to a folder that it may write",
            who="your IT department",
        ) from None


@contextmanager
def locked(folder: Path, todo: str = "stop that one first") -> Iterator[None]:
    """Hold a folder for this process; raises RunError where another process has it."""
    with (folder / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip()
            raise RunError(f"{folder} is in use by process {owner}", todo=todo) from None
        with named(folder / "lock"):
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        yield


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process is in here for this folder: what is read stays so till written.

    It is for moments; `locked` is for as long as a process works on a folder.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks: the work is done all the same
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def holder(folder: Path) -> str:
    """Say which process holds a folder, without taking it; empty: none does."""
    path = folder / "lock"
    if not path.exists():
        return ""
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().strip() or "unknown"
    return ""


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
