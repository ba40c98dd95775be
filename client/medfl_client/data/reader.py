"""What reads files of one kind: headers into rows of the index, pixels into the cache's numbers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from medfl_client.data.dicom.geometry import Array
from medfl_client.data.dicom.header import Row, Rules, read_row
from medfl_client.data.dicom.patch import Position, read_patch
from medfl_client.data.dicom.pixels import load_image
from medfl_client.data.dicom.series import read_volume
from medfl_common.errors import DataError
from medfl_common.plan.images import Images

ALL_FRAMES = -1


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


@dataclass(frozen=True)
class DicomReader:
    """Reads DICOM files."""

    name: str = "dicom"

    def rows(self, path: Path, name: str, rules: Rules) -> list[Row]:
        """Read one header."""
        return [read_row(path, name, rules)]

    def image(self, folder: Path, source: Source, images: Images) -> Array:
        """Decode one frame, a volume, or a patch of one."""
        if source.position is not None:
            files = tuple((folder / row.path, row.size, row.mtime_ns) for row in source.rows)
            return read_patch(files, images, source.position)
        if images.dimensions == 3:
            return read_volume([folder / row.path for row in source.rows], images)
        return load_image(folder / source.rows[0].path, images, source.frame)


def read_pixels(
    reader: Reader, folder: Path, images: Images, source: Source
) -> NDArray[np.generic]:
    """Read one sample as the numbers of the cache: images.shape uint8 or uint16.

    Raises DataError where a file is not the one that was indexed, or is no image of the plan.
    """
    for row in source.rows:
        facts = (folder / row.path).stat(follow_symlinks=False)
        if (facts.st_size, facts.st_mtime_ns) != (row.size, row.mtime_ns):
            raise DataError("the file has changed since it was indexed", todo="start again")
    image = reader.image(folder, source, images)
    dtype, highest = (np.uint8, 255) if images.bits == 8 else (np.uint16, 65535)
    return np.asarray(np.rint(image * np.float32(highest)).astype(dtype))
