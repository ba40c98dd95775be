"""What a worker that reads masks imports before it is locked."""

import io
from contextlib import suppress

import numpy as np

from medfl_client.data.masks.files import NIFTI, NRRD, PNG
from medfl_client.data.masks.nifti import load
from medfl_client.data.reader import Reader


def ready(reader: Reader, kind: str) -> bool:
    """Import what reading needs; True: the worker can be locked then.

    Libraries import parts of themselves when they first need them, so each reads a small mask here.
    """
    can_be_locked = reader.prepare()
    if kind in ("auto", NIFTI):
        with suppress(ImportError):
            _read_nifti()
    if kind in ("auto", NRRD):
        with suppress(ImportError):
            _read_nrrd()
    if kind in ("auto", PNG):
        _read_png()
    return can_be_locked


def _read_nifti() -> None:
    import nibabel

    make: type = nibabel.Nifti1Image
    content = make(np.zeros((1, 1, 1), np.uint8), np.eye(4)).to_bytes()
    np.asarray(load(content).dataobj)


def _read_nrrd() -> None:
    import nrrd

    header = b"NRRD0004\ntype: uint8\ndimension: 1\nsizes: 1\nencoding: raw\n\n\0"
    content = io.BytesIO(header)
    nrrd.read_data(nrrd.read_header(content), content)


def _read_png() -> None:
    from PIL import Image

    content = io.BytesIO()
    Image.new("P", (1, 1)).save(content, "PNG")
    content.seek(0)
    with Image.open(content, formats=("PNG",)) as image:
        np.asarray(image)
