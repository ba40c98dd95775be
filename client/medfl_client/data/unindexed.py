"""DICOM files that are no part of a site's data, to pixels; in the sandbox, like all others.

This module does without torch: the workers that it is sent to have little memory.
"""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfl_client.data.dicom.header import Row, Rules
from medfl_client.data.dicom.index import Progress
from medfl_client.data.reader import DicomReader, Source, read_pixels
from medfl_client.data.sandbox import Refused, in_sandbox
from medfl_common.errors import DataError
from medfl_common.plan.images import Images

TIMEOUT_S = 600.0


def read_headers(paths: Sequence[Path], secret: bytes, progress: Progress) -> list[Row]:
    """Read the headers of files, and of all files below folders; links are not followed."""
    files = [found for path in paths for found in _files(path)]
    if not files:
        raise DataError(f"there is no file under {', '.join(map(str, paths))}")
    found: list[Row] = []
    work = partial(_read, DicomReader(), Rules(secret, "", False))
    for done, (file, result) in enumerate(in_sandbox(work, files, chunk=64), start=1):
        found += [Row(file, reason=result.reason)] if isinstance(result, Refused) else result
        progress(done, len(files))
    return sorted(found, key=lambda row: (row.path, row.item))


def decode(
    sources: Sequence[Source], images: Images
) -> tuple[NDArray[np.generic], list[Source], dict[str, str]]:
    """Decode in the sandbox: (N, C, [D,] S, S), N sources in their order, and path -> reason."""
    read = partial(read_pixels, DicomReader(), Path("/"), images)
    found: dict[int, NDArray[np.generic]] = {}
    refused: dict[str, str] = {}
    place = {id(source): i for i, source in enumerate(sources)}
    for source, result in in_sandbox(read, sources, 1, TIMEOUT_S):
        if isinstance(result, Refused):
            refused |= {row.name: result.reason for row in source.rows}
        else:
            found[place[id(source)]] = result
    kept = sorted(found)
    pixels = np.stack([found[i] for i in kept]) if kept else np.zeros((0, *images.shape))
    return pixels, [sources[i] for i in kept], refused


def _files(path: Path) -> list[str]:
    if not path.exists():
        raise DataError(f"{path.resolve()} is not there")
    if not path.is_dir():
        return [str(path.resolve())]
    found = [Path(base) / name for base, _, names in os.walk(path.resolve()) for name in names]
    return sorted(str(file) for file in found if not file.is_symlink() and file.name[0] != ".")


def _read(reader: DicomReader, rules: Rules, file: str) -> list[Row]:
    return reader.rows(Path(file), file, rules)
