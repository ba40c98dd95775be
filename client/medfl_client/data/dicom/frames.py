"""A dataset to the stored values of one frame, and the header facts that hold for this frame."""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.common import PhotometricInterpretation
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from medfl_client.data.dicom.reading import MAX_FRAMES
from medfl_common.errors import DataError

MAX_PIXELS = 64_000_000  # of one frame, before decoding; a mammogram has 15 million
MAX_BYTES = 512 * 2**20  # of one frame, decoded
MAX_RATIO = 1100  # decoded size to file size; no codec of DICOM packs natural images so far

# Functional group -> the attributes that it holds for a frame (PS3.3 C.7.6.16.2).
_GROUPS = (
    "PixelMeasuresSequence", "PlanePositionSequence", "PlaneOrientationSequence",
    "PixelValueTransformationSequence", "FrameVOILUTSequence",
)  # fmt: skip

Stored = NDArray[np.generic]


def n_frames(dataset: Dataset) -> int:
    """Count the frames; a single image has one."""
    return int(dataset.get("NumberOfFrames") or 1)


def frame_facts(dataset: Dataset, frame: int) -> Dataset:
    """Give the attributes of one frame: the file's own, the shared groups', then the frame's.

    Rescale, window, spacing, position and orientation of an enhanced CT or MR image are in its
    functional groups (PS3.3 C.7.6.16).
    """
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    own = dataset.get("PerFrameFunctionalGroupsSequence") or []
    if not shared and not own:
        return dataset
    facts = Dataset()
    facts.update({tag: dataset[tag] for tag in dataset.keys() if tag.group == 0x28})  # noqa: SIM118
    for groups in (*shared[:1], *own[frame : frame + 1]):
        for name in _GROUPS:
            for item in (groups.get(name) or [])[:1]:
                facts.update(item)
    return facts


def refuse_impossible(dataset: Dataset, n_file_bytes: int) -> None:
    """Raise DataError, before anything is decoded, where the header asks for too much memory."""
    if not {"PixelData", "FloatPixelData", "DoubleFloatPixelData"} & set(dataset.dir()):
        raise DataError("no PixelData (7FE0,0010)")
    rows, columns = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
    if rows < 1 or columns < 1:
        raise DataError(f"Rows x Columns (0028,0010 and 0011) is {rows} x {columns}")
    if rows * columns > MAX_PIXELS:
        raise DataError(f"Rows x Columns is {rows * columns}, above the limit of {MAX_PIXELS}")
    count = n_frames(dataset)
    if not 1 <= count <= MAX_FRAMES:
        raise DataError(f"NumberOfFrames (0028,0008) is {count}; 1 to {MAX_FRAMES} are possible")
    samples, bits = int(dataset.get("SamplesPerPixel") or 1), int(dataset.get("BitsAllocated") or 8)
    n_bytes = rows * columns * samples * max(bits, 8) // 8
    if n_bytes > MAX_BYTES:
        raise DataError(f"a frame would have {n_bytes / 2**20:.0f} MB, above {MAX_BYTES // 2**20}")
    if n_bytes * count > MAX_RATIO * max(n_file_bytes, 1):
        raise DataError(
            f"{n_bytes * count} bytes of pixels are claimed by a file of {n_file_bytes}; "
            "the file is damaged or made to fill memory"
        )


def decode(dataset: Dataset, frame: int) -> tuple[Stored, str]:
    """Give the stored values of one frame, (H, W) or (H, W, 3), and what they mean.

    The second is a photometric interpretation: MONOCHROME1, MONOCHROME2, PALETTE COLOR or RGB; YBR
    is turned into RGB (PS3.3 C.7.6.3.1.2). Bits above BitsStored, where old files keep overlays,
    are taken off; big endian becomes the machine's own order.

    Raises DataError naming the transfer syntax, where none of the decoders can read it.
    """
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        raise DataError("TransferSyntaxUID (0002,0010) is missing", todo="export the file again")
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise DataError(f"{_named(syntax)} has no decoder", todo=_ADVICE) from None
    try:
        stored, facts = decoder.as_array(dataset, index=frame)
    except (RuntimeError, NotImplementedError) as error:
        raise DataError(f"{_named(syntax)}: {_shortened(error)}", todo=_ADVICE) from None
    except (AttributeError, ValueError) as error:
        raise DataError(f"{_named(syntax)}: {_shortened(error)}") from None
    photometric = str(facts["photometric_interpretation"])
    if photometric not in _KNOWN:
        raise DataError(f"PhotometricInterpretation (0028,0004) is {photometric!r}; not supported")
    if not stored.dtype.isnative:
        stored = stored.astype(stored.dtype.newbyteorder("="))
    return stored, photometric


_ADVICE = "export the file uncompressed (1.2.840.10008.1.2.1)"
_KNOWN = (
    PhotometricInterpretation.MONOCHROME1,
    PhotometricInterpretation.MONOCHROME2,
    PhotometricInterpretation.PALETTE_COLOR,
    PhotometricInterpretation.RGB,
)


def _named(syntax: str) -> str:
    return f"transfer syntax {UID(syntax).name} ({syntax})"


def _shortened(error: Exception) -> str:
    """Give the line of a decoder's message that holds the cause, at most 160 letters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[1] if len(lines) > 1 else lines[0] if lines else "no reason given")[:160]
