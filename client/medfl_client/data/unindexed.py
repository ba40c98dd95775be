"""DICOM files that are no part of a site's data, to pixels; in the sandbox, like all others.

This module does without torch: the workers that it is sent to have little memory.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfl_client.data.dicom.header import Row, Rules
from medfl_client.data.dicom.index import Progress
from medfl_client.data.listing import list_paths
from medfl_client.data.own_shapes import OwnShapes, Pixels
from medfl_client.data.reader import DicomReader, Source, header_work, pixel_work
from medfl_client.data.sandbox import in_sandbox
from medfl_client.data.sandbox_wire import Refused
from medfl_common.plan.images import Images

TIMEOUT_S = 600.0


def read_headers(paths: Sequence[Path], secret: bytes, progress: Progress) -> list[Row]:
    """Read the headers of files, and of all files below folders; links are not followed.

    A file needs no PatientID here: its study stands for the patient.
    """
    listed = list_paths(paths)
    found = [Row(one.path, reason=one.reason) for one in listed if one.reason]
    files = [(one.path, one.size, one.mtime_ns) for one in listed if not one.reason]
    work = header_work(DicomReader(), Path("/"), Rules(secret, "", True))
    for done, (file, result) in enumerate(in_sandbox(work, files, chunk=64), start=1):
        found += [Row(file[0], reason=result.reason)] if isinstance(result, Refused) else result
        progress(done, len(files))
    return sorted(found, key=lambda row: (row.path, row.item))


def decode(
    sources: Sequence[Source], images: Images
) -> tuple[Pixels, list[Source], dict[str, str]]:
    """Decode in the sandbox: (N, C, [D,] S, S), N sources in their order, and path -> reason.

    Of a plan with patches each sample has its own shape.
    """
    work = pixel_work(DicomReader(), Path("/"), images)
    found: dict[int, NDArray[np.generic]] = {}
    refused: dict[str, str] = {}
    place = {id(source): i for i, source in enumerate(sources)}
    for source, result in in_sandbox(work, sources, 1, TIMEOUT_S):
        if isinstance(result, Refused):
            refused |= {row.name: result.reason for row in source.rows}
        else:
            found[place[id(source)]] = result
    kept = sorted(found)
    arrays, given = [found[i] for i in kept], [sources[i] for i in kept]
    if images.patch is not None:
        return (
            OwnShapes(arrays, np.dtype(np.uint8 if images.bits == 8 else np.uint16)),
            given,
            refused,
        )
    return np.stack(arrays) if kept else np.zeros((0, *images.shape)), given, refused
