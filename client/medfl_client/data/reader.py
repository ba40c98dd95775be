"""What reads files of one kind: headers into rows of the index, pixels into the cache's numbers."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from medfl_client.data.decoders import prepare
from medfl_client.data.dicom.fault import UNNAMED, find_fault
from medfl_client.data.dicom.geometry import Array
from medfl_client.data.dicom.header import Row, Rules, read_row
from medfl_client.data.dicom.patch import Position, read_patch
from medfl_client.data.dicom.pixels import load_image
from medfl_client.data.dicom.series import read_volume
from medfl_client.data.masks.grid import Grid
from medfl_client.data.masks.headers import image_grid, volume_grid
from medfl_client.data.row_bytes import pack_rows, unpack_rows
from medfl_client.data.sandbox import Work
from medfl_client.data.sides import pack_sides, sides_bytes, take_sides
from medfl_common.errors import DataError, MedflError
from medfl_common.plan.images import Images

ALL_FRAMES = -1
MAX_ROWS_BYTES = 2**27  # of the rows of one file; an archive may hold many images


@dataclass(frozen=True, slots=True)
class Source:
    """What one sample is decoded from."""

    rows: tuple[Row, ...]  # one file, or the slices of a volume in their order
    frame: int = 0  # of a multi-frame file; ALL_FRAMES: a volume
    position: Position | None = None  # what of the volume is taken; None: the whole


class Reader(Protocol):
    """Reads one kind of file. It is sent to worker processes: a frozen dataclass without state."""

    @property
    def name(self) -> str:
        """Give the word for it in a site file or on a command line."""

    def rows(self, path: Path, name: str, rules: Rules) -> list[Row]:
        """Read the header of one file: a row for each image in it; raises DataError."""

    def image(self, folder: Path, source: Source, images: Images) -> Array:
        """Read one sample as images.shape float32 in 0..1; raises DataError."""

    def grid(self, folder: Path, source: Source) -> Grid:
        """Say where the pixels of one sample lie, before they are resampled; raises DataError."""

    def prepare(self) -> bool:
        """Import in a worker all that reading needs; True: it opens files by `open_file` only."""


@dataclass(frozen=True)
class DicomReader:
    """Reads DICOM files."""

    name: str = "dicom"

    def rows(self, path: Path, name: str, rules: Rules) -> list[Row]:
        """Read one header."""
        try:
            return [read_row(path, name, rules)]
        except (MedflError, OSError, MemoryError):
            raise
        except Exception:
            raise DataError(find_fault(path)) from None

    def image(self, folder: Path, source: Source, images: Images) -> Array:
        """Decode one frame, a volume, or a patch of one."""
        try:
            return self._decode(folder, source, images)
        except (MedflError, OSError, MemoryError):
            raise
        except Exception:
            faults = [find_fault(folder / row.path) for row in source.rows]
            raise DataError(next((f for f in faults if f != UNNAMED), UNNAMED)) from None

    def _decode(self, folder: Path, source: Source, images: Images) -> Array:
        if source.position is not None:
            files = tuple((folder / row.path, row.size, row.mtime_ns) for row in source.rows)
            return read_patch(files, images, source.position)
        if images.dimensions == 3:
            return read_volume([folder / row.path for row in source.rows], images)
        return load_image(folder / source.rows[0].path, images, source.frame)

    def grid(self, folder: Path, source: Source) -> Grid:
        """Read the headers of one frame, or of a volume."""
        if source.frame == ALL_FRAMES:
            return volume_grid([folder / row.path for row in source.rows])
        return image_grid(folder / source.rows[0].path, source.frame)

    def prepare(self) -> bool:
        """Import the decoders and the character sets."""
        prepare()
        return True


def header_work(
    reader: Reader, folder: Path, rules: Rules
) -> Work[tuple[str, int, int], list[Row]]:
    """Say how the sandbox reads headers: (path, bytes, time) -> rows."""
    return Work(
        do=partial(_read_header, reader, folder, rules),
        accept=_accept_rows,
        files=lambda job: [folder / job[0]],
        setup=reader.prepare,
        max_bytes=MAX_ROWS_BYTES,
    )


def pixel_work(reader: Reader, folder: Path, images: Images) -> Work[Source, NDArray[np.generic]]:
    """Say how the sandbox reads samples: source -> the numbers of the cache."""
    return Work(
        do=partial(_read_sample, reader, folder, images),
        accept=partial(_accept_sample, images),
        files=lambda source: [folder / row.path for row in source.rows],
        setup=reader.prepare,
        max_bytes=int(np.prod(images.shape)) * images.bits // 8 + sides_bytes(images),
    )


def _read_header(reader: Reader, folder: Path, rules: Rules, job: tuple[str, int, int]) -> bytes:
    return pack_rows(reader.rows(folder / job[0], job[0], rules))


def _accept_rows(job: tuple[str, int, int], body: memoryview) -> list[Row]:
    return unpack_rows(*job, body)


def _read_sample(reader: Reader, folder: Path, images: Images, source: Source) -> bytes:
    found = read_pixels(reader, folder, images, source)
    return pack_sides(found.shape[1:], images) + found.tobytes()


def _accept_sample(images: Images, source: Source, body: memoryview) -> NDArray[np.generic]:
    dtype = np.uint8 if images.bits == 8 else np.uint16
    sides, rest = take_sides(body, images)
    return np.frombuffer(rest, dtype).reshape(images.shape[0], *sides)


def read_pixels(
    reader: Reader, folder: Path, images: Images, source: Source
) -> NDArray[np.generic]:
    """Read one sample as the numbers of the cache: images.shape uint8 or uint16, or its own shape.

    Raises DataError where a file is not the one that was indexed, or is no image of the plan.
    """
    for row in source.rows:
        facts = (folder / row.path).stat(follow_symlinks=False)
        if (facts.st_size, facts.st_mtime_ns) != (row.size, row.mtime_ns):
            raise DataError("the file has changed since it was indexed", todo="start again")
    image = reader.image(folder, source, images)
    dtype, highest = (np.uint8, 255) if images.bits == 8 else (np.uint16, 65535)
    return np.asarray(np.rint(image * np.float32(highest)).astype(dtype))
