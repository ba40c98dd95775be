"""Checks of a site's own files: data, labels, state, keys, programs. They only read."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from medfl_client.config.folder import PRIVATE, PUBLIC, SIGNING_KEY, home_of
from medfl_client.config.identity import public_lines
from medfl_client.config.site_file import DataFiles
from medfl_client.data.boxes.lists import read_entries
from medfl_client.data.labels import read_csv
from medfl_client.data.lockdown import name_locks
from medfl_client.data.sandbox import locks_here
from medfl_common.files import holder, temporary_folder
from medfl_common.ops.checks import Finding, fail, ok, warn
from medfl_common.ops.machine import DECODERS, check_versions
from medfl_common.ops.user import user_name
from medfl_common.wire.keys import fingerprint

COUNT_S = 10.0  # so long files are counted


@dataclass(frozen=True)
class Files:
    """The files in a folder, as counted."""

    n: int
    n_folders: int  # that hold files: about one for each series
    is_all: bool  # False: there are more, the time ran out


def count_files(folder: Path, timeout_s: float = COUNT_S) -> Files:
    """Count files below a folder; the hidden ones, and links, are not part of the data."""
    ends, n, n_folders = time.monotonic() + timeout_s, 0, 0
    for _, _, names in os.walk(folder):
        n_here = sum(not name.startswith(".") for name in names)
        n, n_folders = n + n_here, n_folders + bool(n_here)
        if time.monotonic() > ends:
            return Files(n, n_folders, is_all=False)
    return Files(n, n_folders, is_all=True)


def check_data_folder(folder: Path) -> Finding:
    """Look whether this user can read the images; write access is not needed."""
    where = folder.resolve()
    if not folder.is_dir():
        return fail(f"{where} is not there", "set data.folder in site.yaml, or mount the drive")
    if not os.access(folder, os.R_OK | os.X_OK):
        todo = f"let the user {user_name()} read {where}; reading is enough"
        return fail(f"{where} cannot be read by the user {user_name()}", todo, "your IT department")
    files = count_files(folder)
    if not files.n:
        return fail(f"{where} holds no files", "export the images there, or set data.folder")
    first = next(Path(base) / name for base, _, names in os.walk(folder) for name in names)
    if not os.access(first, os.R_OK):
        todo = f"let the user {user_name()} read the files below {where}"
        return fail("medfl cannot read the first file", todo, "your IT department")
    number = f"{files.n:,} files" if files.is_all else f"more than {files.n:,} files"
    return ok(f"{where}: {number}; medfl only reads them")


def check_labels(base: Path, data: DataFiles) -> Finding:
    """Read the whole label file, as training will."""
    if data.labels_from == "boxes":
        n = len(read_entries(base, data, b""))
        return ok(f"{data.boxes.file}: boxes of {n:,} images")
    if data.labels_from != "csv":
        return ok(f"from the {data.labels_from}; there is no label file")
    columns = (data.label_column,) if data.label_column else tuple(data.label_columns.values())
    return ok(f"{data.labels}: labels of {len(read_csv(base / data.labels, data, columns)):,} keys")


def check_state(state: Path) -> Finding:
    """Look whether the state folder belongs to this user alone and is writable."""
    place = state if state.exists() else state.parent
    if not os.access(place, os.W_OK | os.X_OK):
        todo = f"let the user {user_name()} write in {place.resolve()}"
        return fail(f"{place.resolve()} cannot be written", todo, "your IT department")
    if not state.exists():
        return ok("not there yet; the first command makes it, for this user alone")
    if state.stat().st_mode & 0o077:
        todo = f"chmod 700 {state.resolve()}"
        return fail("other users of this machine can read it; it holds pixels", todo)
    return ok(f"{state.resolve()}: writable, and this user's alone")


def check_temporary() -> Finding:
    """Look whether there is a folder for temporary files; training needs one."""
    return ok(f"{temporary_folder()}: writable")


def check_keys(folder: Path) -> Finding:
    """Look whether the keys are there, private, and belong together."""
    lines = public_lines(folder)  # its errors say who and what
    own = [_public_line(home_of(folder) / name) for name in (PRIVATE, SIGNING_KEY)]
    if own != [" ".join(line.split()[:2]) for line in lines]:
        return fail(
            f"{PUBLIC} does not belong to {PRIVATE} and {SIGNING_KEY}",
            "put back the three files of one `medfl-client init`, or run medfl-client new-keys",
        )
    return ok(f"private, and one pair each; compare by telephone: {fingerprint(lines)}")


def check_lock(state: Path) -> Finding:
    """Say whether a client runs on this directory now."""
    owner = holder(state)
    return ok(f"yes, as process {owner}; that is fine" if owner else "no medfl-client runs here")


def check_sandbox() -> Finding:
    """Say what holds a decoder that a file takes over, on this machine."""
    locks = locks_here()
    if not locks:
        return warn(
            "decoders run in processes with limits of memory and time; seccomp and Landlock are "
            "not available on this machine",
            "run medfl in a container, or on Linux 6.12 or newer",
            "your IT department",
        )
    return ok(
        f"decoders are held by {name_locks(locks)}: no network, no process, and no file but "
        "the one that they read"
    )


def check_decoders() -> Finding:
    """Look at the versions, and load what decodes DICOM."""
    return check_versions(("torch", "torchvision", "pydicom", "cryptography"), DECODERS)


def _public_line(path: Path) -> str:
    key = serialization.load_ssh_private_key(path.read_bytes(), password=None).public_key()
    line = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return line.decode()
