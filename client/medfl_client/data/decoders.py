"""Which decoders read the images here: a file that crashed one is tried again with another."""

import codecs
import sys
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from medfl_common import __version__

PACKAGES = (
    "numpy", "pillow", "pydicom", "pyjpegls", "pylibjpeg", "pylibjpeg-openjpeg", "pylibjpeg-rle",
    "python-gdcm", "nibabel", "pynrrd",
)  # fmt: skip

LAZY = ("numpy.ma", "numpy.char", "numpy.fft", "numpy.rec", "numpy.strings")


@cache
def decoder_versions() -> str:
    """Hash the versions of all that a file goes through."""
    versions = [sys.version, __version__, *(_version(name) for name in PACKAGES)]
    return sha256("|".join(versions).encode()).hexdigest()[:16]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def prepare() -> None:
    """Import what reading any file may need: a locked worker can import nothing more."""
    from pydicom.charset import python_encoding

    for part in LAZY:  # numpy imports these when a function first needs them
        import_module(part)
    for encoding in {*python_encoding.values(), "utf-8", "latin-1", "gb18030", "shift_jis"}:
        codecs.lookup(encoding)
