"""A dataset to the stored values of one frame, and the header facts that hold for this frame."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.pixels.common import PhotometricInterpretation
from pydicom.pixels.decoders.base import get_decoder
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medfl_client.data.dicom.numbers import items_of, named, whole_number, word
from medfl_client.data.dicom.reading import MAX_FRAMES
from medfl_common.errors import DataError

MAX_PIXELS = 64_000_000  # of one frame, before decoding; a mammogram has 15 million
MAX_BYTES = 512 * 2**20  # of one frame, decoded
MAX_RATIO = 1100  # decoded size to file size; no codec of DICOM packs natural images so far

# Functional group -> the attributes that it holds for a frame (PS3.3 C.7.6.16.2).
_GROUPS = (
    "PixelMeasuresSequence", "PlanePositionSequence", "PlaneOrientationSequence",
    "PixelValueTransformationSequence", "FrameVOILUTSequence", "FramePixelDataPropertiesSequence",
    "FrameAnatomySequence",
)  # fmt: skip
SHARED, OWN = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
_NOT_FACTS = frozenset(
    Tag(name) for name in (SHARED, OWN, "PixelData", "FloatPixelData", "DoubleFloatPixelData")
)
# What every image says of its pixels, and what is legal (PS3.3 C.7.6.3, PS3.5 8.1.1).
_LEGAL = {
    "SamplesPerPixel": (1, 3), "BitsAllocated": (1, 64),
    "BitsStored": (1, 64), "PixelRepresentation": (0, 1),
}  # fmt: skip

_SINGLE = (
    "Rows", "Columns", "SamplesPerPixel", "PlanarConfiguration", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation",
)  # fmt: skip

Stored = NDArray[np.generic]


def n_frames(dataset: Dataset) -> int:
    """Count the frames; a single image has one."""
    return whole_number(dataset, "NumberOfFrames") or 1


def frame_facts(dataset: Dataset, frame: int) -> Dataset:
    """Give the attributes of one frame: the file's own, the shared groups', then the frame's.

    Rescale, window, spacing, position and orientation of an enhanced CT or MR image are in its
    functional groups (PS3.3 C.7.6.16).
    """
    if SHARED not in dataset and OWN not in dataset:
        return dataset
    shared, own = items_of(dataset, SHARED), items_of(dataset, OWN)
    if not shared and not own:
        return dataset
    if own and frame >= len(own):
        raise DataError(f"{named(OWN)} holds {len(own)} items, none for frame {frame + 1}")
    facts = Dataset()
    kept = [tag for tag in dataset.keys() if tag not in _NOT_FACTS]  # noqa: SIM118
    facts.update({tag: dataset.get_item(tag) for tag in kept})  # unread: broken ones may not matter
    for groups in (*shared[:1], *own[frame : frame + 1]):
        for name in _GROUPS:
            for item in items_of(groups, name)[:1]:
                facts.update(item)
    return facts


def refuse_impossible(dataset: Dataset, n_file_bytes: int, max_ratio: float = MAX_RATIO) -> None:
    """Raise DataError, before anything is decoded, where the header asks for too much memory.

    Or where it does not say what the pixels are. `max_ratio` is of decoded size to file size.
    """
    pixels = _pixel_element(dataset)
    rows, columns = whole_number(dataset, "Rows") or 0, whole_number(dataset, "Columns") or 0
    if rows < 1 or columns < 1:
        raise DataError(f"Rows x Columns (0028,0010 and 0011) is {rows} x {columns}")
    if rows * columns > MAX_PIXELS:
        raise DataError(f"Rows x Columns is {rows * columns}, above the limit of {MAX_PIXELS}")
    count = n_frames(dataset)
    if not 1 <= count <= MAX_FRAMES:
        raise DataError(f"NumberOfFrames (0028,0008) is {count}; 1 to {MAX_FRAMES} are possible")
    samples, bits = _described(dataset, pixels)
    n_bytes = rows * columns * samples * max(bits, 8) // 8
    if n_bytes > MAX_BYTES:
        raise DataError(f"a frame would have {n_bytes / 2**20:.0f} MB, above {MAX_BYTES // 2**20}")
    if n_bytes * count > max_ratio * max(n_file_bytes, 1):
        raise DataError(
            f"{n_bytes * count} bytes of pixels are claimed by a file of {n_file_bytes}; "
            "the file is damaged or made to fill memory"
        )
    _refuse_short(dataset, pixels, n_bytes * count)


def _refuse_short(dataset: Dataset, pixels: str, n_bytes: int) -> None:
    """Raise DataError where uncompressed pixels are fewer than the header says."""
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    is_plain = syntax is not None and not UID(syntax).is_encapsulated
    is_whole = (whole_number(dataset, "BitsAllocated") or 8) % 8 == 0
    if not is_plain or not is_whole or word(dataset, "PhotometricInterpretation") in _THINNED:
        return
    held = len(dataset.get_item(pixels).value)
    if held < n_bytes:
        raise DataError(f"{named(pixels)} holds {held} bytes where the header says {n_bytes}")


def _pixel_element(dataset: Dataset) -> str:
    """Name the element that holds the pixels; raises DataError where none does."""
    there = [name for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
             if name in dataset]  # fmt: skip
    if not there:
        raise DataError(f"no {named('PixelData')}")
    element = dataset.get_item(there[0])
    if element is None or not element.value:
        raise DataError(f"{named(there[0])} is empty: the file holds no picture")
    return there[0]


def _described(dataset: Dataset, pixels: str) -> tuple[int, int]:
    """Give samples a pixel and bits a sample; raises DataError where the header lacks a fact."""
    needed = _LEGAL if pixels == "PixelData" else {"SamplesPerPixel": (1, 1)}
    for keyword, (low, high) in needed.items():
        value = whole_number(dataset, keyword)
        if value is None or not low <= value <= high:
            seen = "missing" if value is None else value
            raise DataError(f"{named(keyword)} is {seen}; DICOM allows {low} to {high}")
    if not word(dataset, "PhotometricInterpretation"):
        raise DataError(f"{named('PhotometricInterpretation')} is missing")
    values: dict[str, int | str | None] = {name: whole_number(dataset, name) for name in _SINGLE}
    values["PhotometricInterpretation"] = word(dataset, "PhotometricInterpretation")
    values["NumberOfFrames"] = n_frames(dataset) if "NumberOfFrames" in dataset else None
    for name, single in values.items():  # the decoders take one value, as it stands
        if single is not None:
            dataset.add_new(name, dictionary_VR(name), single)
    stored = whole_number(dataset, "BitsStored") or 0
    bits = whole_number(dataset, "BitsAllocated") or (64 if pixels.startswith("Double") else 32)
    if stored > bits:
        raise DataError(f"{named('BitsStored')} is {stored}, above {named('BitsAllocated')} {bits}")
    return whole_number(dataset, "SamplesPerPixel") or 1, bits


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
    _unpack(dataset)
    is_grey = (whole_number(dataset, "SamplesPerPixel") or 1) == 1
    try:
        options: dict[str, Any] = {"correct_unused_bits": not is_grey}
        stored, facts = decoder.as_array(dataset, index=frame, **options)
    except (RuntimeError, NotImplementedError) as error:
        raise DataError(f"{_named(syntax)}: {_shortened(error)}", todo=_ADVICE) from None
    except (AttributeError, ValueError) as error:
        raise DataError(f"{_named(syntax)}: {_shortened(error)}") from None
    except MemoryError:
        raise
    except Exception:  # whatever a decoder makes of it
        raise DataError(f"{_named(syntax)}: the pixels are damaged") from None
    photometric = str(facts["photometric_interpretation"])
    if photometric not in _KNOWN:
        raise DataError(f"PhotometricInterpretation (0028,0004) is {photometric!r}; not supported")
    if not stored.dtype.isnative:
        stored = stored.astype(stored.dtype.newbyteorder("="))
    if is_grey and stored.dtype.kind in "ui":
        stored = _within_bits(stored, dataset, is_packed=UID(syntax).is_encapsulated)
    return stored, photometric


def _unpack(dataset: Dataset) -> None:
    """Turn 12 bits a pixel, two pixels in three bytes, into 16 (retired; PS3.5 8.1.1)."""
    is_packed = whole_number(dataset, "BitsAllocated") == 12
    if not is_packed or dataset.file_meta.TransferSyntaxUID not in _LITTLE:
        return
    packed = np.frombuffer(dataset.PixelData, dtype=np.uint8).astype(np.uint16)
    low, middle, high = packed[: len(packed) // 3 * 3].reshape(-1, 3).T
    pairs = np.stack([low | (middle & 0x0F) << 8, middle >> 4 | high << 4], axis=1)
    dataset.PixelData = pairs.astype("<u2").tobytes()
    dataset.BitsAllocated = 16


def _within_bits(stored: Stored, dataset: Dataset, is_packed: bool) -> Stored:
    """Take off what stands above and below the bits that are stored (PS3.5 8.1.1).

    A codec may have moved the bits down already: then nothing is above them.
    """
    size = 8 * stored.dtype.itemsize
    bits = whole_number(dataset, "BitsStored") or size
    highest = whole_number(dataset, "HighBit")
    below = 0 if highest is None else highest + 1 - bits
    if not 0 <= below <= size - bits:
        raise DataError(
            f"{named('HighBit')} is {highest} with {named('BitsStored')} {bits} of {size}"
        )
    if is_packed and below and int(stored.max()) < 2**bits:
        below = 0
    above = size - bits - below
    if above:
        stored = np.left_shift(stored, above)
    return np.right_shift(stored, above + below) if above + below else stored


_THINNED = ("YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420")  # colour at each second pixel
_LITTLE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
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
    found = (lines[1] if len(lines) > 1 else lines[0] if lines else "no reason given")[:160]
    return "the pixels are damaged" if "object has no attribute" in found else found
