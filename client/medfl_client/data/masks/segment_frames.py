"""DICOM SEG: its frames, what each is of, where it lies, and its pixels (PS3.3 C.8.20).

The dimension index is not needed: real files lack it. A frame says its segment and its plane in its
functional groups, or all frames say it in the shared ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID

from medfl_client.data.dicom.annotation import MAX_NAME, is_nothing, text_of
from medfl_client.data.dicom.frames import (
    MAX_PIXELS,
    OWN,
    SHARED,
    decode,
    n_frames,
    refuse_impossible,
)
from medfl_client.data.dicom.numbers import first_number, items_of, numbers, whole_number, word
from medfl_client.data.dicom.plane import ORIENTATION, POSITION, Geometry, geometry_of
from medfl_client.data.dicom.reading import MAX_FRAMES, PIXEL_TAGS, read_tags
from medfl_client.data.dicom.spacing import known_spacing
from medfl_common.errors import DataError

BINARY, FRACTIONAL, LABELMAP = "BINARY", "FRACTIONAL", "LABELMAP"
SEGMENT, DERIVATION = "SegmentIdentificationSequence", "DerivationImageSequence"
Pixels = NDArray[np.generic]

_TAGS: list[BaseTag | int] = [
    Tag(name)
    for name in (
        *PIXEL_TAGS, "SpecificCharacterSet", "SegmentSequence", "SegmentationType",
        "MaximumFractionalValue", "FrameOfReferenceUID",
    )
]  # fmt: skip


@dataclass(frozen=True)
class Frame:
    """One frame, and what its functional groups say of it."""

    index: int
    segment: int  # 0: a label map has many in one frame
    geometry: Geometry | None  # None: nobody says where it lies
    spacing: tuple[float, float] | None
    slice_mm: float  # SpacingBetweenSlices; 0: unknown
    sources: tuple[tuple[str, tuple[int, ...]], ...]  # SOP of images it is of; their frames, from 0

    @property
    def sops(self) -> tuple[str, ...]:
        """Name the images that it was made from."""
        return tuple(sop for sop, _ in self.sources)

    def frames_of(self, sop: str) -> set[int]:
        """Give the frames of a multi-frame image that it was made from; empty: it says none."""
        return {frame for own, frames in self.sources if own == sop for frame in frames}


class SegmentFile:
    """A DICOM SEG, opened within bounds; frames are decoded when asked."""

    def __init__(self, path: Path) -> None:
        """Read a file; raises DataError where it is damaged, or claims too much."""
        self.dataset = read_tags(path, _TAGS)
        self.kind = word(self.dataset, "SegmentationType") or BINARY
        if self.kind not in (BINARY, FRACTIONAL, LABELMAP):
            raise DataError("SegmentationType (0062,0001) is none that DICOM knows")
        self.frame_uid = word(self.dataset, "FrameOfReferenceUID")
        self._is_packed = self._check(path)

    def _check(self, path: Path) -> bool:
        """Refuse what is no segmentation; say whether pixels are single bits, one after another."""
        refuse_impossible(self.dataset, path.stat().st_size, max_ratio=np.inf)
        rows, columns = self.size
        count = n_frames(self.dataset)
        if rows * columns > MAX_PIXELS or count > MAX_FRAMES:
            raise DataError(f"{count} frames of {rows} x {columns} are more than can be read")
        if (whole_number(self.dataset, "SamplesPerPixel") or 1) != 1:
            raise DataError("SamplesPerPixel (0028,0002) of a segmentation is 1")
        syntax = self.dataset.file_meta.get("TransferSyntaxUID")
        is_one_bit = whole_number(self.dataset, "BitsAllocated") == 1
        if syntax is None or UID(syntax).is_encapsulated or not is_one_bit:
            return False
        held = len(self._bytes)
        if held * 8 < rows * columns * count:
            raise DataError(
                f"PixelData (7FE0,0010) holds {held} bytes, too few for {count} frames of "
                f"{rows} x {columns} bits"
            )
        return True

    @property
    def size(self) -> tuple[int, int]:
        """Give rows and columns."""
        dataset = self.dataset
        return whole_number(dataset, "Rows") or 0, whole_number(dataset, "Columns") or 0

    def names(self) -> dict[int, str]:
        """Give the label of each segment; raises DataError where there is none, or two of one."""
        charset = text_of(self.dataset, "SpecificCharacterSet")
        found: dict[int, str] = {}
        for item in items_of(self.dataset, "SegmentSequence"):
            if is_nothing(item):
                continue
            number = whole_number(item, "SegmentNumber")
            if number is None or number in found:
                raise DataError("SegmentNumber (0062,0004) is missing, or there twice")
            found[number] = text_of(item, "SegmentLabel", charset)[:MAX_NAME]
        if not found:
            raise DataError("the segmentation names no segment (0062,0002)")
        return found

    @cached_property
    def frames(self) -> list[Frame]:
        """Read what the functional groups say of each frame (PS3.3 C.7.6.16)."""
        shared = (items_of(self.dataset, SHARED) or [Dataset()])[0]
        own = items_of(self.dataset, OWN)
        count = n_frames(self.dataset)
        if len(own) < count and (own or count > 1):
            raise DataError(f"{count} frames, and {len(own)} of them are described (5200,9230)")
        return [
            self._frame(index, own[index] if own else Dataset(), shared) for index in range(count)
        ]

    def _frame(self, index: int, own: Dataset, shared: Dataset) -> Frame:
        position = numbers(_group("PlanePositionSequence", own, shared), POSITION)
        orientation = numbers(_group("PlaneOrientationSequence", own, shared), ORIENTATION)
        measures = _group("PixelMeasuresSequence", own, shared)
        segment = 0
        if self.kind != LABELMAP:
            told = _group(SEGMENT, own, shared)
            segment = whole_number(told, "ReferencedSegmentNumber") or 0
            names = items_of(self.dataset, "SegmentSequence")
            if not segment and len(names) == 1:
                segment = whole_number(names[0], "SegmentNumber") or 0
            if not segment:
                raise DataError(f"frame {index + 1} does not say of which segment it is")
        return Frame(
            index,
            segment,
            geometry_of(position, orientation) if position and orientation else None,
            known_spacing(measures),
            abs(first_number(measures, "SpacingBetweenSlices") or 0.0),
            tuple(_sources(own)),
        )

    def pixels(self, index: int) -> Pixels:
        """Decode one frame: (H, W) stored values."""
        rows, columns = self.size
        if not self._is_packed:
            stored, _ = decode(self.dataset, index)
            return stored
        first = index * rows * columns
        packed = self._bytes[first // 8 : (first + rows * columns + 7) // 8]
        bits = np.unpackbits(packed, bitorder="little")
        return bits[first % 8 :][: rows * columns].reshape(rows, columns)

    @cached_property
    def _bytes(self) -> NDArray[np.uint8]:
        element = self.dataset.get_item("PixelData")
        return np.frombuffer(element.value if element is not None else b"", dtype=np.uint8)

    @cached_property
    def highest(self) -> float:
        """Give the value of a FRACTIONAL pixel that is wholly inside."""
        if self.kind != FRACTIONAL:
            return 1.0
        highest = first_number(self.dataset, "MaximumFractionalValue") or 0.0
        if highest <= 0:
            raise DataError("MaximumFractionalValue (0062,000E) is missing or 0")
        return highest


def _group(name: str, own: Dataset, shared: Dataset) -> Dataset:
    """Give a functional group of a frame: its own, or the shared one."""
    for groups in (own, shared):
        for item in items_of(groups, name)[:1]:
            return item
    return Dataset()


def _sources(groups: Dataset) -> Iterator[tuple[str, tuple[int, ...]]]:
    for derivation in items_of(groups, DERIVATION)[:1]:
        for image in items_of(derivation, "SourceImageSequence")[:4]:
            frames = tuple(int(n) - 1 for n in numbers(image, "ReferencedFrameNumber"))
            yield text_of(image, "ReferencedSOPInstanceUID").upper(), frames
