"""One file to a dataset: only tags of an allow-list, within bounds, whatever the file claims.

Nothing but the tags named here is ever looked at, and nothing of a header is ever written.
"""

import io
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset, read_file_meta_info, read_partial
from pydicom.tag import BaseTag, Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from medfl_common.errors import DataError

Stop = Callable[[BaseTag, str | None, int], bool]
NOT_DICOM = "not a DICOM file"
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
    "ImagePositionPatient", "ImageOrientationPatient",
    "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns",
    "BitsStored", "BurnedInAnnotation", "SpecificCharacterSet",
)  # fmt: skip

# What turning a file into an image needs: the image pixel, modality, VOI and palette modules, and
# the functional groups of enhanced multi-frame images (PS3.3 C.7.6.3, C.11.1, C.11.2, C.7.6.16).
PIXEL_TAGS = (
    "SOPClassUID", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel",
    "PhotometricInterpretation", "PlanarConfiguration", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit",
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

_HEADER_NUMBERS: list[BaseTag | int] = [Tag(name) for name in HEADER_TAGS]
_PIXEL_NUMBERS: list[BaseTag | int] = [Tag(name) for name in PIXEL_TAGS]
_LAST_TAG = max(int(Tag(name)) for name in HEADER_TAGS)  # nothing after it is looked at


def read_header(path: Path, extra: str = "") -> Dataset:
    """Read HEADER_TAGS, and the tag `extra` if named; the pixels stay on the disk.

    Raises DataError for what is not DICOM; a damaged file raises whatever pydicom finds.
    """
    tags = [*_HEADER_NUMBERS, Tag(extra)] if extra else _HEADER_NUMBERS
    last = max(int(Tag(extra)), _LAST_TAG) if extra else _LAST_TAG
    is_whole = False

    def is_past(tag: BaseTag, vr: str | None, length: int) -> bool:
        nonlocal is_whole
        is_whole = int.__gt__(tag, last)
        return is_whole

    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
            if _says_deflated(head, path):
                return _inflate(path, tags, MAX_HEADER, is_past)
            with suppress(Exception):  # a cut head may look damaged
                dataset = read_partial(io.BytesIO(head), is_past, specific_tags=tags)
                if is_whole or len(head) < HEAD:
                    return dataset
            file.seek(0)
            return read_partial(file, is_past, specific_tags=tags)
    except InvalidDicomError:
        is_archive = head.startswith((b"PK\3\4", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!"))
        raise DataError("an archive; unpack it first" if is_archive else NOT_DICOM) from None


def read_image(path: Path) -> Dataset:
    """Read PIXEL_TAGS with the pixels. Raises DataError where a deflated file is too large."""
    with path.open("rb") as file:
        is_deflated = _says_deflated(file.read(HEAD), path)
    if not is_deflated:
        return dcmread(path, specific_tags=_PIXEL_NUMBERS)
    return _inflate(path, _PIXEL_NUMBERS, MAX_INFLATED)


def _says_deflated(head: bytes, path: Path) -> bool:
    if DeflatedExplicitVRLittleEndian.encode() not in head:
        return False
    meta: FileMetaDataset = read_file_meta_info(path)
    return bool(meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian)


def _inflate(
    path: Path, tags: list[BaseTag | int], limit: int, stop_when: Stop | None = None
) -> Dataset:
    """Inflate at most `limit` bytes after the file meta information (PS3.5 A.5), and read those.

    pydicom would inflate all of it, whatever its size. Raises DataError where there is more, unless
    `stop_when` ends the reading before.
    """
    meta = read_file_meta_info(path)
    with path.open("rb") as file:
        start = file.read(HEAD).index(b"\x02\x00\x00\x00UL\x04\x00") + 12
        file.seek(start + int(meta.FileMetaInformationGroupLength))
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
