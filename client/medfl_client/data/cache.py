"""Samples to cache: each is decoded once per image section of a plan, not once an epoch.

A cache is a folder per image section: one file of records, all of one shape, and a table that says
which sample is where. A sample is known by its files' own identity, size and time: what is new is
decoded and appended, what is known is not touched, and an interrupted build goes on where it was.
"""

import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from medfl_client.config.folder import CacheFolder
from medfl_client.data.decoders import decoder_versions
from medfl_client.data.dicom.index import Progress
from medfl_client.data.reader import Reader, Source, pixel_work
from medfl_client.data.sandbox import in_sandbox
from medfl_client.data.sandbox_wire import Refused
from medfl_common.errors import DataError, DiskFullError, full_disk, system_reason
from medfl_common.files import named
from medfl_common.plan.images import Images

VERSION = 4  # raise it when the same file would give other pixels
COMMIT_S = 2.0  # an interruption loses so much work
CHUNK = 8  # images that a worker decodes at a time; a volume goes alone
CANDIDATES = 16  # patches at a time: a worker reads a series once for those that it has of it
TIMEOUT_S = 120.0  # for a chunk
VOLUME_TIMEOUT_S = 600.0

Indices = NDArray[np.int64]
# Of a sample: its name, its record or -1, the hash of it, why it has none, and the versions of the
# decoders that crashed; empty: none did.
Line = tuple[str, int, bytes, str, str]


@dataclass(frozen=True)
class Cache:
    """Decoded samples.

    pixels: (N_cache, C, [D,] S, S) uint8 or uint16, memory-mapped; black is 0.
    rows: (N,) where each of the samples asked for is; -1: it could not be decoded.
    digests: (N,) hashes of what the network sees; equal hashes, equal pictures.
    reasons: Position among the N -> why it could not be decoded.
    """

    pixels: NDArray[np.generic]
    rows: Indices
    digests: list[bytes]
    reasons: dict[int, str]


def cached_pixels(
    sources: Sequence[Source],
    folder: Path,
    images: Images,
    caches: Path,
    reader: Reader,
    progress: Progress | None = None,
) -> Cache:
    """Open the cache of an image section; decode the samples that are not in it yet.

    Raises DataError where the disk has no room; what was decoded before stays.
    """
    place = caches / _section(images, reader)
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    names = _identities(sources)
    samples = CacheFolder(place).samples
    with _locked(place), named(samples), closing(_open(place)) as table:
        known = {name for (name,) in table.execute("SELECT name FROM samples")}
        new = {n: s for n, s in zip(names, sources, strict=True) if n not in known}
        passing: dict[str, str] = {}
        if new:
            _refuse_full_disk(place, len(new), images)
            passing = _decode(table, place, new, folder, images, reader, progress)
        found = dict(_look_up(table, names))
    found |= {name: (-1, b"", reason) for name, reason in passing.items()}
    rows = np.array([found[name][0] for name in names], dtype=np.int64)
    return Cache(
        pixels=_map(place, images),
        rows=rows,
        digests=[found[name][1] for name in names],
        reasons={i: found[name][2] for i, name in enumerate(names) if rows[i] < 0},
    )


def bytes_needed(n_samples: int, images: Images, caches: Path, reader: Reader) -> int:
    """Say how much the cache of so many samples will still grow."""
    path = CacheFolder(caches / _section(images, reader)).pixels
    return max(n_samples * _record_bytes(images) - (path.stat().st_size if path.exists() else 0), 0)


def _section(images: Images, reader: Reader) -> str:
    text = json.dumps([VERSION, reader.name, _image_facts(images)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _image_facts(images: Images) -> dict[str, object]:
    """Give what decides the pixels of a sample; which samples there are is another matter."""
    chooses = {"modality", "view", "image_types", "sample", "frames", "channels"}
    return images.model_dump(mode="json", exclude=chooses)


def _identities(sources: Sequence[Source]) -> list[str]:
    """Name samples; the candidates of a series share the name of its volume, once worked out."""
    volumes = {id(source.rows): source for source in sources}
    names = {key: _identity(source) for key, source in volumes.items() if source.position}
    return [
        _hash([names[id(source.rows)], source.position]) if source.position else _identity(source)
        for source in sources
    ]


def _identity(source: Source) -> str:
    files = [[row.path, row.item, row.sop, row.size, row.mtime_ns] for row in source.rows]
    return _hash([source.frame, files])


def _hash(facts: list[object]) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _decode(
    table: sqlite3.Connection,
    place: Path,
    new: dict[str, Source],
    folder: Path,
    images: Images,
    reader: Reader,
    progress: Progress | None,
) -> dict[str, str]:
    """Decode samples in the sandbox and append them; the table is written after the pixels.

    Return those that gave nothing this time and may the next, with why: they are not kept.
    """
    passing: dict[str, str] = {}
    (n_records,) = table.execute("SELECT coalesce(max(row) + 1, 0) FROM samples").fetchone()
    name_of = {id(source): name for name, source in new.items()}
    work = pixel_work(reader, folder.absolute(), images)
    chunk, timeout_s = (CHUNK, TIMEOUT_S) if images.dimensions == 2 else (1, VOLUME_TIMEOUT_S)
    chunk = CANDIDATES if images.sample == "candidate" else chunk
    waiting: list[Line] = []
    committed = time.monotonic()
    path = CacheFolder(place).pixels
    path.touch(mode=0o600)
    with named(path), path.open("r+b") as file:
        file.seek(n_records * _record_bytes(images))
        file.truncate()  # what an interrupted build left behind the last record of the table
        for done, (source, result) in enumerate(
            in_sandbox(work, new.values(), chunk, timeout_s), start=1
        ):
            name = name_of[id(source)]
            if isinstance(result, Refused) and not (result.is_lasting or result.is_crash):
                passing[name] = result.reason
            elif isinstance(result, Refused):
                stamp = decoder_versions() if result.is_crash else ""
                waiting.append((name, -1, b"", result.reason, stamp))
            else:
                _append(file, result, images)
                digest = hashlib.sha256(result.tobytes()).digest()[:16]
                waiting.append((name, n_records, digest, "", ""))
                n_records += 1
            if time.monotonic() - committed > COMMIT_S or done == len(new):
                _commit(table, file, waiting)
                committed = time.monotonic()
            if progress is not None:
                progress(done, len(new))
    return passing


def _append(file: BinaryIO, record: NDArray[np.generic], images: Images) -> None:
    try:
        file.write(record.tobytes())
    except OSError as error:
        if full_disk(error):
            raise
        raise DataError(
            f"the cache cannot be written ({system_reason(error)})",
            todo=f"free {_record_bytes(images):,} bytes and more under the site's state folder "
            "and start again",
            who="your IT department",
            data="what was decoded is kept and nothing was sent",
        ) from None


def _commit(table: sqlite3.Connection, file: BinaryIO, waiting: list[Line]) -> None:
    file.flush()
    os.fsync(file.fileno())
    table.executemany("INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?, ?)", waiting)
    table.commit()
    waiting.clear()


def _open(place: Path) -> sqlite3.Connection:
    """Open the table; a file that crashed decoders of other versions is forgotten."""
    connection = sqlite3.connect(CacheFolder(place).samples)
    connection.execute(
        "CREATE TABLE IF NOT EXISTS samples (name TEXT PRIMARY KEY, row INTEGER, digest BLOB, "
        "reason TEXT, stamp TEXT NOT NULL DEFAULT '')"
    )
    columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(samples)")}
    if "stamp" not in columns:  # of 0.1.0 before crashes were kept
        connection.execute("ALTER TABLE samples ADD COLUMN stamp TEXT NOT NULL DEFAULT ''")
    old = "DELETE FROM samples WHERE stamp NOT IN ('', ?)"
    connection.execute(old, (decoder_versions(),))
    return connection


def _look_up(
    table: sqlite3.Connection, names: Sequence[str]
) -> Iterator[tuple[str, tuple[int, bytes, str]]]:
    wanted = set(names)
    for name, row, digest, reason in table.execute("SELECT name, row, digest, reason FROM samples"):
        if name in wanted:
            yield name, (row, digest, reason)


def _map(place: Path, images: Images) -> NDArray[np.generic]:
    path = CacheFolder(place).pixels
    shape = (path.stat().st_size // _record_bytes(images), *images.shape)
    if not shape[0]:
        return np.zeros(shape, dtype=_dtype(images))
    return np.memmap(path, dtype=_dtype(images), mode="r", shape=shape)


def _dtype(images: Images) -> type[np.uint8] | type[np.uint16]:
    return np.uint8 if images.bits == 8 else np.uint16


def _record_bytes(images: Images) -> int:
    return int(np.prod(images.shape)) * images.bits // 8


def _refuse_full_disk(place: Path, n_new: int, images: Images) -> None:
    needed, free = n_new * _record_bytes(images), shutil.disk_usage(place).free
    if needed > free:
        raise DiskFullError(
            f"the cache needs {needed / 1e6:,.0f} MB more and {free / 1e6:,.0f} MB "
            "are free under the site's state folder",
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
