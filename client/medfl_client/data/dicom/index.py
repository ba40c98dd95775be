"""The index: one SQLite row per file, with its header facts or the reason it was refused.

It never leaves the site. A scan again touches only what changed; an interrupted one goes on where
it was. Memory does not grow with the number of files: the list of files is a table, too.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields
from hashlib import sha256
from operator import attrgetter
from pathlib import Path

from medfl_client.data.decoders import decoder_versions
from medfl_client.data.dicom.header import Row, Rules
from medfl_client.data.listing import list_files
from medfl_client.data.reader import Reader, header_work
from medfl_client.data.sandbox import in_sandbox
from medfl_client.data.sandbox_wire import Refused
from medfl_common.errors import DataError
from medfl_common.files import named

VERSION = 8  # raise it when a row's meaning changes: the index is then built anew
CHUNK = 64  # headers that a worker reads at a time
COMMIT_S = 2.0  # an interruption loses so much work
WAIT_S = 60.0  # for another process that writes the index

Progress = Callable[[int, int], None]  # (done, of)


def scan(
    folder: Path, database: Path, reader: Reader, rules: Rules, progress: Progress | None = None
) -> None:
    """Bring the index up to date with the folder.

    Raises DataError where the folder cannot be read; a folder below it becomes a row with a reason.
    """
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        raise DataError(
            f"data.folder {folder.resolve()} is not a folder that can be read",
            todo="set it in site.yaml",
        )
    with named(database), closing(_open(database, reader, rules)) as connection:
        connection.execute("CREATE TEMP TABLE seen (path TEXT PRIMARY KEY, size, mtime_ns, reason)")
        connection.executemany("REPLACE INTO seen VALUES (?, ?, ?, ?)", list_files(folder))
        _forget_passing(connection)
        connection.execute(
            "DELETE FROM images WHERE NOT EXISTS (SELECT 1 FROM seen WHERE seen.path = images.path "
            "AND seen.size = images.size AND seen.mtime_ns = images.mtime_ns)"
        )
        connection.execute("DELETE FROM seen WHERE path IN (SELECT path FROM images)")
        connection.commit()
        _read_seen(connection, folder, reader, rules, progress)


def rows(database: Path) -> Iterator[Row]:
    """Go through the index in the order of paths."""
    names = ", ".join(field.name for field in fields(Row))
    with closing(sqlite3.connect(database)) as connection:
        query = f"SELECT {names} FROM images ORDER BY path, item"  # noqa: S608
        for values in connection.execute(query):
            yield Row(*values)


def _forget_passing(connection: sqlite3.Connection) -> None:
    """Forget reasons that may be gone: no permission, or a crash of other decoders' versions."""
    old = "SELECT path FROM again WHERE stamp != ?"
    stamp = (decoder_versions(),)
    connection.execute(f"DELETE FROM images WHERE path IN ({old})", stamp)  # noqa: S608
    connection.execute("DELETE FROM again WHERE stamp != ?", stamp)


def _read_seen(
    connection: sqlite3.Connection,
    folder: Path,
    reader: Reader,
    rules: Rules,
    progress: Progress | None,
) -> None:
    """Read the files of the table `seen` that are left into rows."""
    (total,) = connection.execute("SELECT count(*) FROM seen WHERE reason = ''").fetchone()
    refused = connection.execute("SELECT path, size, mtime_ns, reason FROM seen WHERE reason != ''")
    connection.executemany(_INSERT, (_values(_refused(*found)) for found in refused.fetchall()))
    jobs = connection.execute("SELECT path, size, mtime_ns FROM seen WHERE reason = ''")
    committed = time.monotonic()
    work = header_work(reader, folder.absolute(), rules)
    for done, (job, result) in enumerate(in_sandbox(work, jobs, CHUNK), start=1):
        if isinstance(result, Refused):
            if not result.is_lasting:
                stamp = decoder_versions() if result.is_crash else ""
                connection.execute("REPLACE INTO again VALUES (?, ?)", (job[0], stamp))
            path, size, mtime_ns = job
            result = [_refused(path, size, mtime_ns, result.reason)]
        connection.executemany(_INSERT, map(_values, result))
        if time.monotonic() - committed > COMMIT_S:
            connection.commit()
            committed = time.monotonic()
        if progress is not None:
            progress(done, total)
    connection.commit()


def _refused(path: str, size: int, mtime_ns: int, reason: str) -> Row:
    return Row(path, size=size, mtime_ns=mtime_ns, reason=reason)


_INSERT = f"INSERT OR REPLACE INTO images VALUES ({', '.join('?' * len(fields(Row)))})"  # noqa: S608
_values = attrgetter(*(field.name for field in fields(Row)))  # astuple is slow
_SQL: dict[object, str] = {str: "TEXT", int: "INTEGER", float: "REAL"}


def _open(database: Path, reader: Reader, rules: Rules) -> sqlite3.Connection:
    """Open the index; one of another version, reader or secret is built anew."""
    identity = f"{VERSION}|{reader.name}|{rules.label_tag}|{rules.patient_from_study}|".encode()
    stamp = int.from_bytes(sha256(identity + rules.secret).digest()[:4], "big") >> 1
    database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = sqlite3.connect(database, timeout=WAIT_S)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    if connection.execute("PRAGMA user_version").fetchone()[0] != stamp:
        connection.execute("DROP TABLE IF EXISTS images")
    columns = ", ".join(f"{field.name} {_SQL[field.type]} NOT NULL" for field in fields(Row))
    connection.execute(f"CREATE TABLE IF NOT EXISTS images ({columns}, PRIMARY KEY (path, item))")
    connection.execute("CREATE INDEX IF NOT EXISTS by_file ON images (path, size, mtime_ns)")
    connection.execute("CREATE TABLE IF NOT EXISTS again (path TEXT PRIMARY KEY, stamp TEXT)")
    connection.execute(f"PRAGMA user_version = {stamp}")
    return connection
