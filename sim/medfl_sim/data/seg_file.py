"""Regions as a DICOM Segmentation (PS3.3 A.51) of type BINARY: one bit a voxel."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from medfl_sim.data.region import CODE, Identity, Region, begin_file, reference, references

HEADER: dict[str, object] = {
    "SOPClassUID": uid.SegmentationStorage, "Modality": "SEG",
    "ImageType": ["DERIVED", "PRIMARY"], "ManufacturerModelName": "PHANTOM",
    "DeviceSerialNumber": "1", "SoftwareVersions": "1", "ContentTime": "000000",
    "ContentLabel": "PHANTOM", "ContentDescription": "", "ContentCreatorName": "",
    "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "PixelRepresentation": 0,
    "BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "LossyImageCompression": "00",
    "BurnedInAnnotation": "NO", "SegmentationType": "BINARY",
}  # fmt: skip
DIMENSIONS = (  # what tells frames apart, and the functional group that holds it
    ("ReferencedSegmentNumber", "SegmentIdentificationSequence"),
    ("ImagePositionPatient", "PlanePositionSequence"),
)


def segmentation(
    images: Sequence[Dataset], regions: Sequence[Region], identity: Identity, dimensions: uid.UID
) -> Dataset:
    """Write a frame for each region and image where the region is; empty frames are left out.

    Args:
        images: The series.
        regions: Each becomes a segment, numbered from 1; none is empty.
        identity: The new file's.
        dimensions: The UID of the frames' order.
    """
    file = begin_file(images[0], identity, HEADER)
    file.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    file.FrameOfReferenceUID = images[0].FrameOfReferenceUID
    file.ContentDate = file.SeriesDate = images[0].StudyDate
    file.Rows, file.Columns = images[0].Rows, images[0].Columns
    frames = [(n, i) for n, region in enumerate(regions, start=1)
              for i in range(len(images)) if region.mask[i].any()]  # fmt: skip
    file.SegmentSequence = [_segment(n, region) for n, region in enumerate(regions, start=1)]
    file.SharedFunctionalGroupsSequence = [_shared(images)]
    file.DimensionOrganizationSequence = [Dataset()]
    file.DimensionOrganizationSequence[0].DimensionOrganizationUID = dimensions
    file.DimensionIndexSequence = [_dimension(*pair, dimensions) for pair in DIMENSIONS]
    levels = sorted({i for _, i in frames})
    file.PerFrameFunctionalGroupsSequence = [
        _frame([n, levels.index(i) + 1], images[i]) for n, i in frames
    ]
    file.NumberOfFrames = len(frames)
    file.ReferencedSeriesSequence = [Dataset()]
    file.ReferencedSeriesSequence[0].SeriesInstanceUID = images[0].SeriesInstanceUID
    file.ReferencedSeriesSequence[0].ReferencedInstanceSequence = references(images)
    file.PixelData = pack(np.array([regions[n - 1].mask[i] for n, i in frames]))
    file["PixelData"].VR = "OB"
    return file


def pack(bits: NDArray[np.bool_]) -> bytes:
    """Pack voxels eight to a byte, the first in the lowest bit, over frames (PS3.5 8.1.1)."""
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    return packed + b"\0" * (len(packed) % 2)


def _segment(number: int, region: Region) -> Dataset:
    segment = Dataset()
    segment.SegmentNumber, segment.SegmentLabel = number, region.name
    segment.SegmentAlgorithmType = "MANUAL"
    segment.SegmentedPropertyCategoryCodeSequence = [_code(region.category)]
    segment.SegmentedPropertyTypeCodeSequence = [_code(region.kind)]
    return segment


def _shared(images: Sequence[Dataset]) -> Dataset:
    """Give spacing and direction, the same in all frames."""
    measures, plane, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = images[0].PixelSpacing
    measures.SliceThickness = images[0].SliceThickness
    measures.SpacingBetweenSlices = images[0].SliceThickness
    plane.ImageOrientationPatient = images[0].ImageOrientationPatient
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    return shared


def _dimension(pointer: str, group: str, organisation: uid.UID) -> Dataset:
    dimension = Dataset()
    dimension.DimensionOrganizationUID = organisation
    dimension.DimensionIndexPointer, dimension.FunctionalGroupPointer = Tag(pointer), Tag(group)
    dimension.DimensionDescriptionLabel = pointer
    return dimension


def _frame(indices: list[int], image: Dataset) -> Dataset:
    """Say of one frame which segment it is, where it lies, and of which image.

    Args:
        indices: The segment's number and which of the planes it is, from 1.
        image: The image in whose plane it lies.
    """
    frame, content, segment, place = Dataset(), Dataset(), Dataset(), Dataset()
    derivation, source = Dataset(), reference(image)
    content.DimensionIndexValues = indices
    segment.ReferencedSegmentNumber = indices[0]
    place.ImagePositionPatient = image.ImagePositionPatient
    source.SpatialLocationsPreserved = "YES"
    source.PurposeOfReferenceCodeSequence = [
        _code(("121322", "Source image for image processing operation"), "DCM")
    ]
    derivation.SourceImageSequence = [source]
    derivation.DerivationCodeSequence = [_code(("113076", "Segmentation"), "DCM")]
    frame.DerivationImageSequence, frame.FrameContentSequence = [derivation], [content]
    frame.PlanePositionSequence, frame.SegmentIdentificationSequence = [place], [segment]
    return frame


def _code(code: CODE, scheme: str = "SCT") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodeMeaning = code
    item.CodingSchemeDesignator = scheme
    return item
