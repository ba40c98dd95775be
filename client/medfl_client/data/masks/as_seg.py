"""Outlines as DICOM SEG, made by highdicom: BINARY, a segment for each class of the foreground.

PS3.3 C.8.20. What it says of patient and study is the source's own.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import CTImageStorage

from medfl_client.data.dicom.annotation import MAKER
from medfl_client.data.dicom.reading import HEADER_TAGS, read_tags
from medfl_client.data.masks.as_sr import as_sr
from medfl_client.data.masks.author import LONGEST, Author, stable_uid
from medfl_client.data.masks.content import NO_PLACE
from medfl_client.data.masks.grid import Grid, Labels, Plane
from medfl_common import __version__
from medfl_common.errors import DataError

if TYPE_CHECKING:
    from highdicom.seg import Segmentation, SegmentDescription

CATEGORY = ("85756007", "SCT", "Tissue")  # the plan's classes are words, and no codes
SERIES_NUMBER = 9000
_MAY_BE_EMPTY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID",
    "StudyDate", "StudyTime", "ReferringPhysicianName",
)  # fmt: skip
_TAGS: list[BaseTag | int] = [
    Tag(name)
    for name in (
        *HEADER_TAGS, *_MAY_BE_EMPTY, "SpacingBetweenSlices", "PositionReferenceIndicator",
        "DimensionOrganizationSequence", "DimensionIndexSequence", "DimensionOrganizationType",
        "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "ImageType",
    )
]  # fmt: skip


def as_seg(
    labels: Labels, grid: Grid, sources: Sequence[Dataset], classes: Sequence[str], author: Author
) -> "Segmentation":
    """Make a DICOM SEG of the foreground of labels (D, H, W) that references its images.

    Raises DataError where a SEG of these images cannot be written.
    """
    from highdicom.seg import Segmentation

    if len(sources) == 1 and int(sources[0].get("NumberOfFrames") or 1) > 1:
        if len(labels) == 1:
            raise DataError("a single frame of a multi-frame file is not written as DICOM SEG")
        labels = labels[np.argsort(grid.frames)]
    else:
        by_sop = {source.SOPInstanceUID: source for source in sources}
        sources = [_placed(by_sop[sop], grid) for sop in grid.sops]
    name = [author.digest, *(str(source.SOPInstanceUID) for source in sources)]
    uids = [stable_uid([kind, *name]) for kind in ("series", "instance")]
    return Segmentation(
        source_images=sources,
        pixel_array=labels,
        segmentation_type="BINARY",
        segment_descriptions=_segments(classes, author),
        series_instance_uid=uids[0],
        series_number=SERIES_NUMBER,
        sop_instance_uid=uids[1],
        instance_number=1,
        manufacturer=MAKER,
        manufacturer_model_name=MAKER,
        software_versions=__version__,
        device_serial_number=author.digest[:12],
        content_label="MEDFL",
        series_description=f"{author.study[:40]}, not for diagnosis",
    )


def read_source(path: Path) -> Dataset:
    """Read what a SEG says of an image; raises DataError where the file lacks it."""
    dataset = read_tags(path, _TAGS)
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"):
        if not dataset.get(name):
            raise DataError(f"a DICOM SEG references {name}, which the file lacks")
    for name in _MAY_BE_EMPTY:
        if name not in dataset:
            setattr(dataset, name, None)
    return dataset


def _placed(source: Dataset, grid: Grid) -> Dataset:
    """Complete what a header leaves out of where its image lies; raises DataError for a volume."""
    if grid.plane is None:
        if len(grid.sops) > 1:
            raise DataError(NO_PLACE)
        source.pop("FrameOfReferenceUID", None)  # a picture: pixel on pixel, in no space
        return source
    if not source.get("SliceThickness"):
        source.SliceThickness = f"{grid.plane.step_mm:.6g}"
    if not source.get("PixelSpacing"):
        source.PixelSpacing = [f"{mm:.6g}" for mm in grid.plane.spacing]
    return source


def _segments(classes: Sequence[str], author: Author) -> "list[SegmentDescription]":
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    algorithm = AlgorithmIdentificationSequence(
        name=author.name, family=codes.cid7162.ArtificialIntelligence, version=author.digest
    )
    return [
        SegmentDescription(
            segment_number=number,
            segment_label=name[:LONGEST],
            segmented_property_category=Code(*CATEGORY),
            segmented_property_type=Code(*CATEGORY),
            algorithm_type="AUTOMATIC",
            algorithm_identification=algorithm,
        )
        for number, name in enumerate(classes[1:], start=1)
    ]


def write_small() -> None:
    """Write a small SEG and SR, so that all is imported that writing them needs."""
    facts = {
        "SOPClassUID": CTImageStorage, "StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.3",
        "FrameOfReferenceUID": "1.4", "Modality": "CT", "Rows": 2, "Columns": 2,
        "PixelSpacing": [1, 1], "SliceThickness": 1, "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        **dict.fromkeys(_MAY_BE_EMPTY),
    }  # fmt: skip
    sources = []
    for place in range(3):
        source = Dataset()
        own = {"SOPInstanceUID": f"1.5.{place}", "ImagePositionPatient": [0, 0, place]}
        for name, value in (facts | own).items():
            setattr(source, name, value)
        sources.append(source)
    sops = tuple(str(source.SOPInstanceUID) for source in sources)
    labels, ways = np.ones((3, 2, 2), dtype=np.uint8), np.eye(3)
    plane = Plane(np.arange(3)[:, None] * ways[2], ways[0], ways[1], (1.0, 1.0))
    grid = Grid(labels.shape, sources[0], plane, sops=sops)
    names, author = ("-", "-"), Author("-", "-")
    as_sr(as_seg(labels, grid, sources, names, author), sources, names, (0.0, 1.0), author)
