"""The index: one SQLite row per file, with its header facts or the reason it was refused.

It never leaves the site. Only the tags in `_TAGS` are read; patients are stored as HMACs. A scan
again touches only what changed.
"""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import astuple, dataclass, fields
from hashlib import sha256
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian

from medfl_client.site_file import pseudonym
from medfl_common.errors import DataError

VERSION = 1  # raise it when a row's meaning changes: the index is then built anew

_TAGS = (
    "SOPInstanceUID",
    "StudyInstanceUID",
    "PatientID",
    "Modality",
    "Manufacturer",
    "Rows",
    "Columns",
)


@dataclass(frozen=True)
class Row:
    """One file under the data folder."""

    path: str  # relative to the data folder, with forward slashes
    size: int  # bytes
    mtime_ns: int
    sop: str = ""
    study: str = ""
    patient: str = ""  # HMAC of the PatientID
    modality: str = ""
    manufacturer: str = ""
    height: int = 0  # pixels
    width: int = 0
    reason: str = ""  # why the file was refused; empty: it can be used


def scan(folder: Path, database: Path, secret: bytes) -> list[Row]:
    """Bring the index up to date with the folder; return its rows, ordered by path."""
    if not folder.is_dir():
        raise DataError(f"data.folder {folder.resolve()} is not a folder; set it in site.yaml")
    with closing(_open(database, secret)) as connection:
        old = {row.path: row for row in _rows(connection)}
        seen = set()
        for path, size, mtime_ns in _walk(folder):
            seen.add(path)
            known = old.get(path)
            if known is None or (known.size, known.mtime_ns) != (size, mtime_ns):
                _store(connection, _read(folder, path, size, mtime_ns, secret))
        gone = [(path,) for path in old if path not in seen]
        connection.executemany("DELETE FROM images WHERE path = ?", gone)
        connection.commit()
        return list(_rows(connection))


def _open(database: Path, secret: bytes) -> sqlite3.Connection:
    """Open the index; one of another version or another secret is built anew."""
    stamp = int.from_bytes(sha256(b"%d|" % VERSION + secret).digest()[:4], "big") >> 1
    database.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(database)
    if connection.execute("PRAGMA user_version").fetchone()[0] != stamp:
        connection.execute("DROP TABLE IF EXISTS images")
    columns = ", ".join(f"{field.name} {_SQL[field.type]}" for field in fields(Row))
    connection.execute(f"CREATE TABLE IF NOT EXISTS images ({columns}, PRIMARY KEY (path))")
    connection.execute(f"PRAGMA user_version = {stamp}")
    return connection


_SQL: dict[object, str] = {str: "TEXT NOT NULL", int: "INTEGER NOT NULL"}


def _rows(connection: sqlite3.Connection) -> Iterator[Row]:
    names = ", ".join(field.name for field in fields(Row))
    for values in connection.execute(f"SELECT {names} FROM images ORDER BY path"):  # noqa: S608
        yield Row(*values)


def _store(connection: sqlite3.Connection, row: Row) -> None:
    marks = ", ".join("?" * len(fields(Row)))
    connection.execute(f"INSERT OR REPLACE INTO images VALUES ({marks})", astuple(row))  # noqa: S608


def _walk(folder: Path) -> Iterator[tuple[str, int, int]]:
    """List regular files; links, pipes, hidden files and DICOMDIR are left alone."""
    for directory, names, files in os.walk(folder, followlinks=False):
        names.sort()
        for name in sorted(files):
            path = Path(directory, name)
            if name.startswith(".") or name.upper() == "DICOMDIR":
                continue
            with suppress(FileNotFoundError):  # gone since the folder was listed
                facts = path.lstat()
                if stat.S_ISREG(facts.st_mode):
                    yield path.relative_to(folder).as_posix(), facts.st_size, facts.st_mtime_ns


def _read(folder: Path, path: str, size: int, mtime_ns: int, secret: bytes) -> Row:
    """Read one header; whatever is wrong with the file becomes its reason."""
    try:
        return _row(_header(folder / path), path, size, mtime_ns, secret)
    except InvalidDicomError:
        reason = "not a DICOM file"
    except _RefusedError as error:
        reason = str(error)
    except Exception as error:  # one bad file costs one row, whatever a parser makes of it
        reason = f"header cannot be read ({type(error).__name__})"
    return Row(path, size, mtime_ns, reason=reason)


class _RefusedError(Exception):
    """A file that is understood and not wanted."""


def _header(path: Path) -> Dataset:
    meta = read_file_meta_info(path)
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        raise _RefusedError(
            "transfer syntax Deflated (1.2.840.10008.1.2.1.99) is not supported yet"
        )
    return dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))


def _row(header: Dataset, path: str, size: int, mtime_ns: int, secret: bytes) -> Row:
    def text(tag: str) -> str:
        return str(header.get(tag) or "").strip()

    for tag in ("PatientID", "SOPInstanceUID", "StudyInstanceUID"):
        if not text(tag):
            raise _RefusedError(f"{tag} is missing or empty")
    if not header.get("Rows") or not header.get("Columns"):
        raise _RefusedError("no picture (Rows or Columns is missing)")
    return Row(
        path=path,
        size=size,
        mtime_ns=mtime_ns,
        sop=text("SOPInstanceUID"),
        study=text("StudyInstanceUID"),
        patient=pseudonym(secret, text("PatientID")),
        modality=text("Modality"),
        manufacturer=text("Manufacturer"),
        height=int(header.Rows),
        width=int(header.Columns),
    )
