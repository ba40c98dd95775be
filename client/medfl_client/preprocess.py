"""Index to cache: every picture is decoded once per image section of a plan, not once an epoch.

A cache is one memory-mapped array, keyed by the image section and by the files' own identity, size
and time: the same key means no work, another key means another cache, never a stale one.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfl_client.dicom.index import Row
from medfl_client.dicom.pixels import read_picture
from medfl_common.errors import DataError
from medfl_common.files import write_atomic
from medfl_common.plan import Images

VERSION = 1  # raise it when the same file would give other pixels

Progress = Callable[[int, int], None]  # (done, of)


@dataclass(frozen=True)
class Cache:
    """Decoded pictures of some files.

    pixels: (N, 1, S, S) uint8 or uint16, memory-mapped; black is 0, white the highest value.
    refused: path -> reason, of files that could not be decoded; their pixels are zeros.
    """

    pixels: NDArray[np.generic]
    refused: dict[str, str]


def cached_pixels(
    rows: Sequence[Row], folder: Path, images: Images, caches: Path, progress: Progress | None
) -> Cache:
    """Open the cache of these files, or make it."""
    place = caches / _key(rows, images)
    if not (place / "refused.json").exists():
        _make(place, rows, folder, images, progress)
    refused: dict[str, str] = json.loads((place / "refused.json").read_text())
    return Cache(np.load(place / "pixels.npy", mmap_mode="r"), refused)


def _key(rows: Sequence[Row], images: Images) -> str:
    files = [[row.path, row.sop, row.size, row.mtime_ns] for row in rows]
    text = json.dumps([VERSION, images.model_dump(mode="json"), files])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _make(
    place: Path, rows: Sequence[Row], folder: Path, images: Images, progress: Progress | None
) -> None:
    """Decode into a folder beside the final one, which is renamed into place when whole."""
    partial = place.with_name(f"{place.name}.partial-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True, mode=0o700)
    try:
        refused = _decode_all(partial / "pixels.npy", rows, folder, images, progress)
        write_atomic(partial / "refused.json", json.dumps(refused).encode())
        if place.exists():
            shutil.rmtree(place)
        partial.rename(place)
    except OSError as error:
        needed = len(rows) * images.size**2 * images.bits // 8
        raise DataError(
            f"the cache of {needed / 1e6:.0f} MB cannot be written ({error.strerror}); free "
            "space under the site's state folder and start again; nothing was sent"
        ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _decode_all(
    path: Path, rows: Sequence[Row], folder: Path, images: Images, progress: Progress | None
) -> dict[str, str]:
    dtype, highest = (np.uint8, 255) if images.bits == 8 else (np.uint16, 65535)
    shape = (len(rows), 1, images.size, images.size)
    pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
    refused = {}
    for i, row in enumerate(rows):
        try:
            picture = read_picture(folder / row.path, images)
            pixels[i, 0] = np.rint(picture * highest).astype(dtype)
        except DataError as error:
            refused[row.path] = str(error)
        except Exception as error:  # one bad file costs one row, whatever a decoder makes of it
            refused[row.path] = f"pixels cannot be decoded ({type(error).__name__})"
        if progress is not None:
            progress(i + 1, len(rows))
    pixels.flush()
    return refused
