"""What a segmentation or structure set says of itself: whose it is, and what it outlines.

DICOM SEG (PS3.3 A.51, C.8.20) and RTSTRUCT (A.19.3, C.8.8.5, C.8.8.6). Neither contours nor pixels
are read. Everything is bounded: a file may name thousands of structures, or one of any length.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice

from pydicom.dataset import Dataset

from medfl_client.data.dicom.numbers import items_of, whole_number
from medfl_client.data.dicom.text import decoded
from medfl_common.errors import DataError

SEG, RTSTRUCT = "SEG", "RTSTRUCT"  # Modality (0008,0060) of annotations
MAKER = "medfl"  # Manufacturer and model of the segmentations that medfl writes
MAX_NAMES = 4000  # bytes of the names as JSON
MAX_NAME = 64  # letters of one name: LO (PS3.5 6.2)
MAX_TEXT = 1024  # letters of UIDs that a row takes
MAX_UIDS = 12  # 12 of at most 64 letters fit a row
MAX_ITEMS = 5000  # of one sequence that are looked at


def structures_of(header: Dataset, modality: str, charset: str) -> list[str]:
    """Name the segments or regions of interest in the file's order; the first that fit a row."""
    names, left = list[str](), MAX_NAMES
    sequence, name = _NAMED.get(modality, ("", ""))
    for item in islice(items_of(header, sequence) if sequence else (), MAX_ITEMS):
        if is_nothing(item):
            continue
        names.append(text_of(item, name, charset)[:MAX_NAME])
        left -= len(json.dumps(names[-1])) + 2
        if left < 0:
            return names[:-1]
    return names


def is_nothing(segment: Dataset) -> bool:
    """Say whether a segment is number 0: what a label map says of all the rest (C.8.20.2.3.3)."""
    with suppress(DataError):
        return whole_number(segment, "SegmentNumber") == 0
    return False


def packed_names(names: list[str]) -> str:
    """Put names into one text of a row; empty without names."""
    return json.dumps(names) if names else ""


def unpacked_names(text: str) -> tuple[str, ...]:
    """Take the names of a row; none where the text is something else."""
    with suppress(ValueError, RecursionError):
        names = json.loads(text) if text else []
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            return tuple(names)
    return ()


def joined(uids: list[str]) -> str:
    """Put UIDs into one text of a row."""
    return "\\".join(uids)[:MAX_TEXT]


def frames_of(header: Dataset, modality: str, own: str) -> list[str]:
    """Give the frames of reference in which an annotation lies."""
    if modality != RTSTRUCT:
        return [own] if own else []
    found = [own] if own else []
    with suppress(DataError):
        for item in items_of(header, "ReferencedFrameOfReferenceSequence")[:MAX_ITEMS]:
            found.append(text_of(item, "FrameOfReferenceUID"))
        for item in items_of(header, "StructureSetROISequence")[:MAX_ITEMS]:
            found.append(text_of(item, "ReferencedFrameOfReferenceUID"))
    return list(dict.fromkeys(filter(None, found)))[:MAX_UIDS]


def refers_of(header: Dataset, modality: str) -> list[str]:
    """Give the UIDs of series, and of the first, middle and last image, that it was made from."""
    with suppress(DataError):
        if modality == RTSTRUCT:
            return _first_few(_in_structure_set(header))
        if modality == SEG:
            return _first_few(_in_segmentation(header))
    return []


_NAMED = {
    SEG: ("SegmentSequence", "SegmentLabel"),
    RTSTRUCT: ("StructureSetROISequence", "ROIName"),
}


def text_of(item: Dataset, keyword: str, charset: str = "") -> str:
    """Give an element's text."""
    element = item.get_item(keyword)
    value = None if element is None else element.value
    if isinstance(value, bytes):
        return decoded(value[:1024], charset)
    return "" if value is None else str(value)[:1024].strip(" \0")


def _first_few(series_and_images: tuple[Iterable[str], Iterable[str]]) -> list[str]:
    series, images = (list(dict.fromkeys(filter(None, uids))) for uids in series_and_images)
    some = [images[i] for i in (0, len(images) // 2, -1)] if images else []
    return list(dict.fromkeys([*some, *series]))[:MAX_UIDS]


def _in_structure_set(header: Dataset) -> tuple[list[str], list[str]]:
    """Walk from the frames of reference over studies to series (PS3.3 C.8.8.5)."""
    series, images = list[str](), list[str]()
    for frame in items_of(header, "ReferencedFrameOfReferenceSequence")[:MAX_UIDS]:
        for study in items_of(frame, "RTReferencedStudySequence")[:MAX_UIDS]:
            for one in items_of(study, "RTReferencedSeriesSequence")[:MAX_UIDS]:
                series.append(text_of(one, "SeriesInstanceUID"))
                images += _images_in(one, "ContourImageSequence")
    return series, images


def _in_segmentation(header: Dataset) -> tuple[list[str], list[str]]:
    """Read the references of the file, and those of its frames (PS3.3 C.12.1.1.4, C.7.6.16.2.6)."""
    series, images = list[str](), list[str]()
    for one in items_of(header, "ReferencedSeriesSequence")[:MAX_UIDS]:
        series.append(text_of(one, "SeriesInstanceUID"))
        images += _images_in(one, "ReferencedInstanceSequence")
    if not images:
        images += _images_in(header, "SourceImageSequence")
    if not images:
        groups = items_of(header, "PerFrameFunctionalGroupsSequence")[:MAX_ITEMS]
        images += [uid for one in groups for uid in _sources_of(one)]
    return series, images


def _sources_of(groups: Dataset) -> Iterator[str]:
    for derivation in items_of(groups, "DerivationImageSequence")[:1]:
        yield from _images_in(derivation, "SourceImageSequence")


def _images_in(item: Dataset, sequence: str) -> list[str]:
    return [
        text_of(one, "ReferencedSOPInstanceUID") for one in items_of(item, sequence)[:MAX_ITEMS]
    ]
