"""One file to a dataset: only tags of an allow-list, within bounds, whatever the file claims.

Nothing but the tags named here is ever looked at, and nothing of a header is ever written.
"""

import io
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filereader import read_dataset, read_partial
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pydicom.valuerep import VR

from medfl_client.data.opened import open_file
from medfl_common.errors import DataError

Stop = Callable[[BaseTag, str | None, int], bool]
NOT_DICOM = "not a DICOM file"
ARCHIVE = "an archive; unpack it first"
ARCHIVES = (
    b"PK\3\4", b"PK\5\6", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ",
    b"\x28\xb5\x2f\xfd",
)  # fmt: skip
MAX_INFLATED = 128 * 2**20  # bytes of a deflated file's content
MAX_HEADER = 16 * 2**20  # bytes before the pixels, of a deflated file
MAX_FRAMES = 10_000
HEAD = 2**15  # bytes that hold most headers; they are read at once

# What the index reads: identity (kept as HMAC), and what a study and its readers must know.
HEADER_TAGS = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID",
    "PatientID", "AccessionNumber", "PatientSex", "PatientAge", "StudyDate",
    "Modality", "Manufacturer", "ManufacturerModelName", "ConversionType",
    "BodyPartExamined", "ViewPosition", "Laterality", "ImageLaterality",
    "SliceThickness", "ImagerPixelSpacing", "PixelSpacing", "InstanceNumber",
    "ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID",
    "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns",
    "BitsStored", "BurnedInAnnotation", "SpecificCharacterSet",
)  # fmt: skip

# What else the index looks at: kinds of pictures, views by code, facts of frames, contradictions.
FACT_TAGS = (
    "ImageType", "ViewCodeSequence", "PresentationLUTShape", "NominalScannedPixelSpacing",
    "SpacingBetweenSlices",
    "RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", "VOILUTSequence",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip

# What the index reads of segmentations and structure sets.
ANNOTATION_TAGS = (
    "ReferencedSeriesSequence", "SourceImageSequence", "SegmentSequence",
    "ReferencedFrameOfReferenceSequence", "StructureSetROISequence",
)  # fmt: skip

# What turning a file into an image needs: the image pixel, modality, VOI and palette modules, and
# the functional groups of enhanced multi-frame images (PS3.3 C.7.6.3, C.11.1, C.11.2, C.7.6.16).
PIXEL_TAGS = (
    "SOPClassUID", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel",
    "PhotometricInterpretation", "PlanarConfiguration", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit",
    "FloatPixelPaddingValue", "FloatPixelPaddingRangeLimit",
    "DoubleFloatPixelPaddingValue", "DoubleFloatPixelPaddingRangeLimit",
    "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "VOILUTSequence", "WindowCenter",
    "WindowWidth", "VOILUTFunction", "PresentationLUTShape",
    "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio",
    "ImagePositionPatient", "ImageOrientationPatient",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData", "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
    "PixelData", "FloatPixelData", "DoubleFloatPixelData",
)  # fmt: skip

_HEADER_NUMBERS: list[BaseTag | int] = [
    Tag(name) for name in (*HEADER_TAGS, *FACT_TAGS, *ANNOTATION_TAGS)
]
_PIXEL_NUMBERS: list[BaseTag | int] = [Tag(name) for name in PIXEL_TAGS]
_VRS = {vr.value.encode() for vr in VR if len(vr.value) == 2}
# (no VRs, little endian) -> transfer syntax
_SYNTAXES: dict[tuple[bool | None, bool | None], UID] = {
    (True, True): ImplicitVRLittleEndian,
    (False, True): ExplicitVRLittleEndian,
    (False, False): ExplicitVRBigEndian,
}
_CONTOURS = 0x3006_0039  # ROIContourSequence: many numbers that no header needs
_LAST_TAG = max(map(int, _HEADER_NUMBERS))  # nothing after it is looked at


def read_header(path: Path, extra: str = "") -> Dataset:
    """Read HEADER_TAGS, FACT_TAGS and ANNOTATION_TAGS, and the tag `extra` if named.

    Pixels and contours stay on the disk.

    Raises DataError for what is not DICOM; a damaged file raises whatever pydicom finds.
    """
    tags = [*_HEADER_NUMBERS, Tag(extra)] if extra else _HEADER_NUMBERS
    last = max(int(Tag(extra)), _LAST_TAG) if extra else _LAST_TAG
    is_whole = False

    def is_past(tag: BaseTag, vr: str | None, length: int) -> bool:
        nonlocal is_whole
        is_whole = int.__gt__(tag, last) or int.__eq__(tag, _CONTOURS)
        return is_whole

    with open_file(path) as file:
        head = file.read(HEAD)
        is_part_10 = head[128:132] == b"DICM"
        if not is_part_10:
            _refuse_other(head)
        if _says_deflated(head):
            return _inflate(file, tags, MAX_HEADER, is_past)
        with suppress(Exception):  # a cut head may look damaged
            dataset = read_partial(io.BytesIO(head), is_past, force=True, specific_tags=tags)
            if is_whole or len(head) < HEAD:
                return _known(dataset, is_part_10)
        file.seek(0)
        return _known(read_partial(file, is_past, force=True, specific_tags=tags), is_part_10)


def read_image(path: Path) -> Dataset:
    """Read PIXEL_TAGS with the pixels. Raises DataError where a deflated file is too large."""
    return read_tags(path, _PIXEL_NUMBERS)


def read_tags(path: Path, tags: list[BaseTag | int]) -> Dataset:
    """Read these tags of a whole file, as `read_image` does."""
    with open_file(path) as file:
        if _says_deflated(file.read(HEAD)):
            return _inflate(file, tags, MAX_INFLATED)
        file.seek(0)
        dataset = dcmread(file, force=True, specific_tags=tags)
    _guess_syntax(dataset)
    return dataset


def _refuse_other(head: bytes) -> None:
    """Raise DataError where a file without preamble does not begin as a data set does either.

    Some archives store data sets without preamble and meta header; those begin with group 0008, or
    with 0002. Whether VRs are written follows from the first element.
    """
    if head.startswith(ARCHIVES) or head[257:262] == b"ustar":
        raise DataError(ARCHIVE)
    group, has_vr = head[:2], head[4:6] in _VRS
    is_short = int.from_bytes(head[4:8], "little") < HEAD  # without VR: the element's length
    if len(head) < 8 or not (
        (group in (b"\2\0", b"\0\x08") and has_vr) or (group == b"\x08\0" and (has_vr or is_short))
    ):
        raise DataError(NOT_DICOM)


def _known(header: Dataset, is_part_10: bool) -> Dataset:
    """Raise DataError where what looked like a data set without preamble says nothing of itself."""
    if not is_part_10 and "SOPClassUID" not in header and "SOPInstanceUID" not in header:
        raise DataError(NOT_DICOM)
    return header


def _guess_syntax(dataset: FileDataset) -> None:
    """Name the transfer syntax of a data set without meta header, where its pixels are plain."""
    if dataset.file_meta.get("TransferSyntaxUID") or dataset.preamble is not None:
        return
    pixels = dataset.get_item("PixelData")
    if pixels is None or not getattr(pixels, "is_undefined_length", False):
        dataset.file_meta.TransferSyntaxUID = _SYNTAXES[dataset.original_encoding]


def _says_deflated(head: bytes) -> bool:
    if DeflatedExplicitVRLittleEndian.encode() not in head:
        return False
    meta = _meta(io.BytesIO(head))
    return bool(meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian)


def _meta(file: BinaryIO) -> FileMetaDataset:
    """Read the file meta information (PS3.10 7.1); the file stands behind it then."""
    file.seek(0)
    if file.read(132)[128:] != b"DICM":
        file.seek(0)

    def is_past(tag: BaseTag, vr: str | None, length: int) -> bool:
        return tag >> 16 != 2

    meta = read_dataset(file, is_implicit_VR=False, is_little_endian=True, stop_when=is_past)
    return FileMetaDataset(meta)


def _inflate(
    file: BinaryIO, tags: list[BaseTag | int], limit: int, stop_when: Stop | None = None
) -> Dataset:
    """Inflate at most `limit` bytes after the file meta information (PS3.5 A.5), and read those.

    pydicom would inflate all of it, whatever its size. Raises DataError where there is more, unless
    `stop_when` ends the reading before.
    """
    meta = _meta(file)
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    content = stream.decompress(file.read(), limit)
    if stop_when is None and not stream.eof:
        raise DataError(f"deflated content is above the limit of {limit / 2**20:.0f} MB")
    dataset = read_dataset(
        io.BytesIO(content),
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=stop_when,
        specific_tags=tags,
    )
    dataset.file_meta = meta
    dataset.set_original_encoding(False, True)
    return dataset
