"""The grid of a DICOM image or volume, from headers only."""

from contextlib import suppress
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from medfl_client.data.dicom.frames import frame_facts, n_frames
from medfl_client.data.dicom.numbers import whole_number, word
from medfl_client.data.dicom.plane import geometry_in
from medfl_client.data.dicom.reading import read_header
from medfl_client.data.dicom.series import Slice, in_order
from medfl_client.data.masks.grid import Grid, grid_of_slices, plane_of
from medfl_common.errors import DataError

_NO_VALUES = np.zeros(0, dtype=np.float32)


def volume_grid(paths: list[Path]) -> Grid:
    """Give the grid of the volume that `read_volume` makes of these files.

    Raises DataError where the files are no volume, as reading the volume does.
    """
    file_of: dict[int, tuple[str, int]] = {}
    frame_uid = ""
    slices: list[Slice] = []
    for path in paths:
        header = read_header(path, "PixelAspectRatio")
        frame_uid = frame_uid or word(header, "FrameOfReferenceUID")
        for frame in range(n_frames(header)):
            part = _slice(header, frame)
            file_of[id(part)] = word(header, "SOPInstanceUID"), frame
            slices.append(part)
    slices, places = in_order(slices)
    return grid_of_slices(slices, places, [file_of[id(part)] for part in slices], frame_uid)


def image_grid(path: Path, frame: int) -> Grid:
    """Give the grid of one frame; where nobody says where it lies, only its size."""
    header = read_header(path, "PixelAspectRatio")
    facts = frame_facts(header, frame)
    plane = None
    with suppress(DataError):
        plane = plane_of([_slice(header, frame)])
    rows, columns = _size(header)
    return Grid(
        shape=(1, rows, columns),
        facts=facts,
        plane=plane,
        sops=(word(header, "SOPInstanceUID"),),
        frames=(frame,) if n_frames(header) > 1 else (),
        frame_uid=word(header, "FrameOfReferenceUID"),
    )


def _slice(header: Dataset, frame: int) -> Slice:
    facts = frame_facts(header, frame)
    return Slice(_NO_VALUES, _size(header), geometry_in(facts), facts, is_inverted=False)


def _size(header: Dataset) -> tuple[int, int]:
    return whole_number(header, "Rows") or 0, whole_number(header, "Columns") or 0
