"""A region that somebody outlined in a series, and what a file of outlines shares with its images.

A series is its images in the order in which masks have their slices.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

CODE = tuple[str, str]  # SNOMED CT's number and its meaning
OF_THE_STUDY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge",
    "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber",
    "ReferringPhysicianName", "InstitutionName", "SeriesDescription", "PositionReferenceIndicator",
)  # fmt: skip


@dataclass(frozen=True)
class Region:
    """What one outline is called, and where it is."""

    name: str  # ROI name or segment label, as this hospital writes it
    mask: NDArray[np.bool_]  # (D, H, W) in the order of the images
    role: str  # RT ROI Interpreted Type (PS3.3 C.8.8.8): ORGAN, GTV, EXTERNAL
    category: CODE  # what kind of thing it is (PS3.16 CID 7150)
    kind: CODE  # what it is


@dataclass(frozen=True)
class Identity:
    """The UIDs and the number of a new series with one file."""

    series: uid.UID
    file: uid.UID
    number: int  # SeriesNumber


def begin_file(image: Dataset, identity: Identity, own: dict[str, object]) -> Dataset:
    """Begin a file in an image's study: patient, study, its own series, and further elements."""
    file = Dataset()
    for keyword in OF_THE_STUDY:
        setattr(file, keyword, image[keyword].value)
    file.Manufacturer = image.Manufacturer
    file.SeriesInstanceUID, file.SeriesNumber = identity.series, identity.number
    file.SOPInstanceUID, file.InstanceNumber = identity.file, 1
    for keyword, value in own.items():
        setattr(file, keyword, value)
    file.file_meta = FileMetaDataset()
    return file


def reference(image: Dataset) -> Dataset:
    """Name one image by class and UID."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = (
        image.SOPClassUID,
        image.SOPInstanceUID,
    )
    return item


def references(images: Sequence[Dataset]) -> list[Dataset]:
    """Name every image of a series."""
    return [reference(image) for image in images]
