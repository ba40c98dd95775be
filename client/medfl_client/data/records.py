"""Samples to records on the disk: each is decoded once per way to make it, not once an epoch.

A cache is a folder for each way: one file of records, and a table that says which sample is where.
What is new is decoded and appended, what is known is not touched, and an interrupted build goes on
where it was.
"""

import fcntl
import hashlib
import json
import math
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from medfl_client.config.folder import CacheFolder
from medfl_client.data.decoders import decoder_versions
from medfl_client.data.dicom.index import Progress
from medfl_client.data.own_shapes import OwnShapes, Pixels
from medfl_client.data.sandbox import Work, in_sandbox
from medfl_client.data.sandbox_wire import Refused
from medfl_common.errors import DataError, DiskFullError, system_reason
from medfl_common.files import named
from medfl_common.full import full_disk

COMMIT_S = 2.0  # an interruption loses so much work

Job = TypeVar("Job")
Result = TypeVar("Result")
Indices = NDArray[np.int64]
# Of a sample: its name, its record or -1, the hash of it, why it has none, the versions of the
# decoders that crashed (empty: none did), and what else is known of it, as JSON.
Line = tuple[str, int, bytes, str, str, str]


@dataclass(frozen=True)
class Record:
    """What became of one sample."""

    array: NDArray[np.generic]
    facts: Mapping[str, object] | None = None  # what is to be known without the array


@dataclass(frozen=True)
class Way(Generic[Job, Result]):
    """How samples become records."""

    facts: object  # what decides a record, beside its files: another way has another folder
    shape: tuple[int, ...]  # of each record; where each has its own, of the largest
    least: tuple[int, ...]  # of each record, or of the smallest
    has_own_shapes: bool
    dtype: type[np.generic]
    work: Work[Job, Result]
    record: Callable[[Result], Record]
    chunk: int  # jobs that a worker does at a time
    timeout_s: float  # for a chunk

    @property
    def record_bytes(self) -> int:
        """Count the bytes of a record, or of the smallest."""
        return int(math.prod(self.least)) * np.dtype(self.dtype).itemsize

    def folder(self, caches: Path) -> Path:
        """Give the folder of its records."""
        text = json.dumps(self.facts)
        return caches / hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Cache:
    """Decoded samples.

    pixels: (N_cache, C, [D,] S, S) uint8 or uint16, memory-mapped; black is 0. Where each has a
        shape of its own, an OwnShapes of (C, D, H, W).
    rows: (N,) where each of the samples asked for is; -1: it could not be decoded.
    digests: (N,) hashes of what the network sees; equal hashes, equal pictures.
    reasons: Position among the N -> why it could not be decoded.
    facts: (N,) what else is known of each.
    """

    pixels: Pixels
    rows: Indices
    digests: list[bytes]
    reasons: dict[int, str]
    facts: list[Mapping[str, object]] = field(default_factory=list)


def cached_records(
    way: Way[Job, Result],
    jobs: Sequence[Job],
    names: Sequence[str],
    caches: Path,
    progress: Progress | None = None,
) -> Cache:
    """Open the cache of a way; decode the samples that are not in it yet.

    Args:
        way: How they become records.
        jobs: (N,) what is decoded.
        names: (N,) by which each is known; a name follows from its files.
        caches: The folder of all caches.
        progress: Follows the decoding.

    Raises DataError where the disk has no room; what was decoded before stays.
    """
    place = way.folder(caches)
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    samples = CacheFolder(place).samples
    with _locked(place), named(samples), closing(_open(place)) as table:
        known = {name for (name,) in table.execute("SELECT name FROM samples")}
        new = {n: job for n, job in zip(names, jobs, strict=True) if n not in known}
        passing: dict[str, str] = {}
        if new:
            _refuse_full_disk(place, len(new), way)
            try:
                passing = _decode(table, place, new, way, progress)
            except (OSError, sqlite3.Error):
                with suppress(OSError, sqlite3.Error):  # a full disk gets back what is unfinished
                    table.rollback()
                    os.truncate(CacheFolder(place).pixels, _end(table, way)[1])
                raise
        found = dict(_look_up(table, names))
        pixels = _map(table, place, way)
    found |= {name: (-1, b"", reason, "") for name, reason in passing.items()}
    rows = np.array([found[name][0] for name in names], dtype=np.int64)
    return Cache(
        pixels=pixels,
        rows=rows,
        digests=[found[name][1] for name in names],
        reasons={i: found[name][2] for i, name in enumerate(names) if rows[i] < 0},
        facts=[json.loads(found[name][3] or "{}") for name in names],
    )


def bytes_missing(way: Way[Job, Result], n_samples: int, caches: Path) -> int:
    """Say how much the cache of so many samples will still grow, at the least."""
    path = CacheFolder(way.folder(caches)).pixels
    return max(n_samples * way.record_bytes - (path.stat().st_size if path.exists() else 0), 0)


def hashed(facts: list[object]) -> str:
    """Name a sample by what it follows from."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _decode(
    table: sqlite3.Connection,
    place: Path,
    new: dict[str, Job],
    way: Way[Job, Result],
    progress: Progress | None,
) -> dict[str, str]:
    """Decode samples in the sandbox and append them; the table is written after the pixels.

    Return those that gave nothing this time and may the next, with why: they are not kept.
    """
    passing: dict[str, str] = {}
    n_records, end = _end(table, way)
    name_of = {id(job): name for name, job in new.items()}
    waiting: list[Line] = []
    committed = time.monotonic()
    path = CacheFolder(place).pixels
    path.touch(mode=0o600)
    with named(path), path.open("r+b") as file:
        file.seek(end)
        file.truncate()  # what an interrupted build left behind the last record of the table
        for done, (job, result) in enumerate(
            in_sandbox(way.work, new.values(), way.chunk, way.timeout_s), start=1
        ):
            name = name_of[id(job)]
            if isinstance(result, Refused) and not (result.is_lasting or result.is_crash):
                passing[name] = result.reason
            elif isinstance(result, Refused):
                stamp = decoder_versions() if result.is_crash else ""
                waiting.append((name, -1, b"", result.reason, stamp, ""))
            else:
                waiting.append(_append(file, name, n_records, way, way.record(result)))
                n_records += 1
            if time.monotonic() - committed > COMMIT_S or done == len(new):
                _commit(table, file, waiting)
                committed = time.monotonic()
            if progress is not None:
                progress(done, len(new))
    return passing


def _append(file: BinaryIO, name: str, row: int, way: Way[Job, Result], record: Record) -> Line:
    """Write a record behind the others; give its line."""
    data = record.array.tobytes()
    facts = dict(record.facts or {})
    digest = hashlib.sha256(data)
    if way.has_own_shapes:
        facts |= {"at": file.tell(), "shape": [*record.array.shape]}
        digest.update(str(record.array.shape).encode())
    try:
        file.write(data)
    except OSError as error:
        if full_disk(error):
            raise
        raise DataError(
            f"the cache cannot be written ({system_reason(error)})",
            todo=f"free {len(data):,} bytes and more under the site's state folder and start again",
            who="your IT department",
            data="what was decoded is kept and nothing was sent",
        ) from None
    return name, row, digest.digest()[:16], "", "", json.dumps(facts) if facts else ""


def _end(table: sqlite3.Connection, way: Way[Job, Result]) -> tuple[int, int]:
    """Count the records, and the bytes that they take."""
    (n_records,) = table.execute("SELECT coalesce(max(row) + 1, 0) FROM samples").fetchone()
    if not way.has_own_shapes:
        return n_records, n_records * way.record_bytes
    size = np.dtype(way.dtype).itemsize
    places = _places(table)
    return n_records, max((at + math.prod(shape) * size for at, shape in places), default=0)


def _places(table: sqlite3.Connection) -> list[tuple[int, tuple[int, ...]]]:
    """List where each record begins, and its shape."""
    lines = table.execute("SELECT facts FROM samples WHERE row >= 0 ORDER BY row")
    facts = [json.loads(text) for (text,) in lines]
    return [(int(one["at"]), tuple(map(int, one["shape"]))) for one in facts]


def _commit(table: sqlite3.Connection, file: BinaryIO, waiting: list[Line]) -> None:
    file.flush()
    os.fsync(file.fileno())
    table.executemany("INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?, ?, ?)", waiting)
    table.commit()
    waiting.clear()


def _open(place: Path) -> sqlite3.Connection:
    """Open the table; a file that crashed decoders of other versions is forgotten."""
    connection = sqlite3.connect(CacheFolder(place).samples)
    connection.execute(
        "CREATE TABLE IF NOT EXISTS samples (name TEXT PRIMARY KEY, row INTEGER, digest BLOB, "
        "reason TEXT, stamp TEXT NOT NULL DEFAULT '', facts TEXT NOT NULL DEFAULT '')"
    )
    columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(samples)")}
    for column in ("stamp", "facts"):  # of 0.1.0 before crashes were kept, and before masks
        if column not in columns:
            add = f"ALTER TABLE samples ADD COLUMN {column} TEXT NOT NULL DEFAULT ''"
            connection.execute(add)
    old = "DELETE FROM samples WHERE stamp NOT IN ('', ?)"
    connection.execute(old, (decoder_versions(),))
    return connection


def _look_up(
    table: sqlite3.Connection, names: Sequence[str]
) -> Iterator[tuple[str, tuple[int, bytes, str, str]]]:
    wanted = set(names)
    lines = table.execute("SELECT name, row, digest, reason, facts FROM samples")
    for name, row, digest, reason, facts in lines:
        if name in wanted:
            yield name, (row, digest, reason, facts)


def _map(table: sqlite3.Connection, place: Path, way: Way[Job, Result]) -> Pixels:
    path = CacheFolder(place).pixels
    n_bytes = path.stat().st_size if path.exists() else 0
    if way.has_own_shapes:
        return OwnShapes.in_file(path, np.dtype(way.dtype), _places(table))
    shape = (n_bytes // way.record_bytes, *way.shape)
    if not shape[0]:
        return np.zeros(shape, dtype=way.dtype)
    return np.memmap(path, dtype=way.dtype, mode="r", shape=shape)


def _refuse_full_disk(place: Path, n_new: int, way: Way[Job, Result]) -> None:
    needed, free = n_new * way.record_bytes, shutil.disk_usage(place).free
    if needed > free:
        raise DiskFullError(
            f"the cache needs {'at least ' * way.has_own_shapes}{needed / 1e6:,.0f} MB more and "
            f"{free / 1e6:,.0f} MB are free under the site's state folder",
            todo="free space and start again",
            who="your IT department",
            data="nothing was sent",
        )


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Let one process at a time build a cache; the other waits."""
    with CacheFolder(place).lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
