"""Regions as a DICOM RT Structure Set (PS3.3 A.19), the way radiotherapy planning writes them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset

from medfl_sim.data.contours import Holes, Polygon, contours_of
from medfl_sim.data.region import Identity, Region, begin_file, reference, references

STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"  # retired, and what planning systems write to this day
COLOURS = ((0, 200, 0), (255, 60, 0), (255, 200, 0), (0, 120, 255))
DIGITS = 3  # of a millimetre; ContourData is text of at most 16 letters a number


def structure_set(
    images: Sequence[Dataset], regions: Sequence[Region], identity: Identity, holes: Holes
) -> Dataset:
    """Write regions as closed planar contours, each in the plane of its image, mm."""
    own: dict[str, object] = {
        "SOPClassUID": uid.RTStructureSetStorage, "Modality": "RTSTRUCT",
        "SpecificCharacterSet": "ISO_IR 192", "OperatorsName": "",
        "FrameOfReferenceUID": images[0].FrameOfReferenceUID,
        "StructureSetLabel": "PHANTOM", "StructureSetDate": images[0].StudyDate,
        "StructureSetTime": "", "ApprovalStatus": "UNAPPROVED",
    }  # fmt: skip
    file = begin_file(images[0], identity, own)
    file.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian  # long contours fit into it
    file.ReferencedFrameOfReferenceSequence = [_frame(images)]
    numbered = list(enumerate(regions, start=1))
    file.StructureSetROISequence = [_roi(n, region, images[0]) for n, region in numbered]
    file.ROIContourSequence = [_contours(n, region, images, holes) for n, region in numbered]
    file.RTROIObservationsSequence = [_observation(n, region) for n, region in numbered]
    return file


def _frame(images: Sequence[Dataset]) -> Dataset:
    """Name the frame of reference, the study, the series and all its images."""
    series, study, frame = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = images[0].SeriesInstanceUID
    series.ContourImageSequence = references(images)
    study.ReferencedSOPClassUID = STUDY_CLASS
    study.ReferencedSOPInstanceUID = images[0].StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID = images[0].FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    return frame


def _roi(number: int, region: Region, image: Dataset) -> Dataset:
    roi = Dataset()
    roi.ROINumber, roi.ROIName = number, region.name
    roi.ReferencedFrameOfReferenceUID = image.FrameOfReferenceUID
    roi.ROIGenerationAlgorithm = "MANUAL"
    return roi


def _observation(number: int, region: Region) -> Dataset:
    observation = Dataset()
    observation.ObservationNumber = observation.ReferencedROINumber = number
    observation.RTROIInterpretedType, observation.ROIInterpreter = region.role, ""
    return observation


def _contours(number: int, region: Region, images: Sequence[Dataset], holes: Holes) -> Dataset:
    """Write the contours of one region, image by image."""
    roi = Dataset()
    roi.ReferencedROINumber = number
    roi.ROIDisplayColor = list(COLOURS[(number - 1) % len(COLOURS)])
    roi.ContourSequence = [
        _contour(polygon, image)
        for image, mask in zip(images, region.mask, strict=True)
        for polygon in contours_of(mask, holes)
    ]
    return roi


def _contour(polygon: Polygon, image: Dataset) -> Dataset:
    contour = Dataset()
    contour.ContourImageSequence = [reference(image)]
    contour.ContourGeometricType = "CLOSED_PLANAR"
    contour.NumberOfContourPoints = len(polygon)
    contour.ContourData = [f"{mm:.{DIGITS}f}" for mm in in_patient(polygon, image).ravel()]
    return contour


def in_patient(polygon: Polygon, image: Dataset) -> NDArray[np.float64]:
    """Give (P, 3) mm in the patient of places in an image (PS3.3 C.7.6.2.1.1)."""
    corner = np.array(image.ImagePositionPatient, dtype=np.float64)
    right, down = np.array(image.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    steps = polygon * np.array(image.PixelSpacing, dtype=np.float64)
    return np.asarray(corner + steps[:, :1] * down + steps[:, 1:] * right)
