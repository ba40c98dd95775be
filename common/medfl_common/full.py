"""Whether an error comes from a disk that takes no more."""

import errno
import os

from medfl_common.errors import DiskFullError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # the disk, a quota, or a limit of this process
# SQLite's own codes for the same: SQLITE_FULL, SQLITE_IOERR_WRITE, SQLITE_IOERR_SHMSIZE.
SQLITE_FULL = (13, 778, 4874)


def full_disk(error: BaseException | None, otherwise: str = "") -> DiskFullError | None:
    """Say where a disk took no more, if that is what an error comes from; None: it is not.

    Args:
        error: What was raised, by the system or by SQLite, or what came of it.
        otherwise: The folder to name where the error names none.
    """
    while error is not None:
        is_full = isinstance(error, OSError) and error.errno in FULL
        if is_full or getattr(error, "sqlite_errorcode", None) in SQLITE_FULL:
            name = getattr(error, "filename", None)
            folder = os.path.dirname(os.path.abspath(name)) if isinstance(name, str) else otherwise
            where = f"the disk of {folder}" if folder else "a disk"
            return DiskFullError(f"{where} is full", todo="make room there")
        error = error.__cause__ or error.__context__
    return None
