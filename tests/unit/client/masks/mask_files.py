"""Series, segmentations and structure sets made by hand, and one way to read them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.utils import pack_bits
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, SegmentationStorage
from tests.unit.client.test_series import AXIAL, volume_plan, write_slice

from medfl_client.config.mask_files import MaskFiles
from medfl_client.data.dicom.header import Row, Rules, read_row
from medfl_client.data.dicom.series import arrange
from medfl_client.data.masks.files import MaskFile, kind_of, mask_of
from medfl_client.data.masks.joined import Joined, join_masks
from medfl_client.data.masks.work import MaskJob, ReadMask, mask_work
from medfl_client.data.reader import ALL_FRAMES, DicomReader, Source
from medfl_client.data.sandbox import in_sandbox
from medfl_client.data.sandbox_wire import Refused
from medfl_common.plan.images import Images

FRAME, OTHER_FRAME = "1.2.3.4", "1.2.3.5"
N, SIDE, STEP = 9, 16, 5.0  # slices, pixels on a side of 1 mm, mm from slice to slice
PLACES = (np.arange(N) - N // 2) * STEP
CLASSES = ("background", "liver", "tumour")
_DATA = Tag("ContourData")
Orientation = tuple[float, ...]


def write_series(folder: Path, orientation: Orientation = AXIAL, **tags: object) -> Source:
    """Write 9 slices of 16 x 16 pixels of 1 mm, 5 mm apart, and give their volume."""
    for i, place in enumerate(PLACES):
        facts = {"FrameOfReferenceUID": FRAME, "SOPInstanceUID": f"1.9.{i}", **tags}
        write_slice(folder / f"{i}.dcm", float(place), orientation, SIDE, **facts)
    return volume_of(folder)


def row_of(path: Path, folder: Path) -> Row:
    return read_row(path, path.relative_to(folder).as_posix(), Rules(b"k"))


def volume_of(folder: Path) -> Source:
    rows = [row_of(path, folder) for path in sorted(folder.glob("*.dcm"))]
    return Source(tuple(arrange([row for row in rows if row.modality == "CT"])[0]), ALL_FRAMES)


def first_pixel(place: float, orientation: Orientation = AXIAL) -> np.ndarray:
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    return np.array([0.0, 0.0, place]) - (row + column) * (SIDE - 1) / 2


def base(modality: str, sop_class: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, "1.8.1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.6.1", "1.7.1"
    dataset.PatientID, dataset.Modality = "1", modality
    return dataset


def item(**values: object) -> Dataset:
    dataset = Dataset()
    for name, value in values.items():
        setattr(dataset, name, value)
    return dataset


Frame = tuple[int, Sequence[float] | None, np.ndarray]  # segment, first pixel, (H, W)


def write_seg(
    path: Path,
    frames: Sequence[Frame],
    names: Mapping[int, str] | None = None,
    kind: str = "BINARY",
    orientation: Orientation = AXIAL,
    spacing: Sequence[float] = (1, 1),
    **tags: object,
) -> Path:
    """Write a DICOM SEG without any dimension index."""
    dataset = base("SEG", SegmentationStorage)
    dataset.FrameOfReferenceUID, dataset.SegmentationType = FRAME, kind
    dataset.SegmentSequence = [
        item(SegmentNumber=number, SegmentLabel=name)
        for number, name in (names or {1: "liver"}).items()
    ]
    dataset.Rows, dataset.Columns = frames[0][2].shape
    dataset.NumberOfFrames, dataset.SamplesPerPixel = len(frames), 1
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 0
    bits = 1 if kind == "BINARY" else 8
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    pixels = np.stack([frame[2] for frame in frames]).astype(np.uint8)
    dataset.PixelData = pack_bits(pixels.ravel()) if bits == 1 else pixels.tobytes()
    shared = item(PixelMeasuresSequence=[item(PixelSpacing=list(spacing), SliceThickness=STEP)])
    shared.PlaneOrientationSequence = [item(ImageOrientationPatient=list(orientation))]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = [_groups(frame, kind) for frame in frames]
    for name, value in tags.items():
        setattr(dataset, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _groups(frame: Frame, kind: str) -> Dataset:
    segment, first, _ = frame
    groups = Dataset()
    if kind != "LABELMAP":
        groups.SegmentIdentificationSequence = [item(ReferencedSegmentNumber=segment)]
    if first is not None:
        groups.PlanePositionSequence = [item(ImagePositionPatient=[float(mm) for mm in first])]
    return groups


Contours = Sequence[np.ndarray | tuple[str, np.ndarray]]  # (N, 3) mm each, or with its type


def write_structures(
    path: Path, regions: Sequence[tuple[str, Contours]], frame: str = FRAME, **tags: object
) -> Path:
    """Write an RTSTRUCT; its series UID is one that no image has."""
    dataset = base("RTSTRUCT", RTStructureSetStorage)
    dataset.ReferencedFrameOfReferenceSequence = [item(FrameOfReferenceUID=frame)]
    dataset.StructureSetROISequence = [
        item(ROINumber=i, ROIName=name, ReferencedFrameOfReferenceUID=frame)
        for i, (name, _) in enumerate(regions, start=1)
    ]
    dataset.ROIContourSequence = [
        item(ReferencedROINumber=i, ContourSequence=[_contour(one) for one in contours])
        for i, (_, contours) in enumerate(regions, start=1)
    ]
    for name, value in tags.items():
        setattr(dataset, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _contour(one: np.ndarray | tuple[str, np.ndarray]) -> Dataset:
    kind, points = one if isinstance(one, tuple) else ("CLOSED_PLANAR", one)
    text = "\\".join(f"{mm:.3f}" for mm in points.ravel()).encode()
    text += b" " * (len(text) % 2)
    dataset = item(ContourGeometricType=kind, NumberOfContourPoints=len(points))
    dataset[_DATA] = RawDataElement(_DATA, "DS", len(text), text, 0, False, True)
    return dataset


def box(place: float, low: float, high: float) -> np.ndarray:
    """Give the corners of a square in an axial slice, in mm: low to high, both ways."""
    corners = [(low, low), (high, low), (high, high), (low, high)]
    return np.array([(x, y, place) for x, y in corners])


def mask_file(path: Path, folder: Path) -> MaskFile:
    facts, name = path.stat(), path.relative_to(folder).as_posix()
    if kind := kind_of(name):
        return MaskFile(name, facts.st_size, facts.st_mtime_ns, kind)
    return mask_of(row_of(path, folder))


def read(
    source: Source,
    folder: Path,
    paths: Sequence[Path],
    images: Images | None = None,
    **rules: object,
) -> ReadMask | Refused:
    """Read masks of one image in the sandbox, with a plan's grid that is the image's own."""
    return _read(source, folder, tuple(mask_file(path, folder) for path in paths), images, rules)


def read_unindexed(source: Source, folder: Path, path: Path) -> ReadMask | Refused:
    """Read a segmentation that the index would have refused: it became bad since."""
    facts = path.stat()
    mask = MaskFile(path.name, facts.st_size, facts.st_mtime_ns, "dicom-seg")
    return _read(source, folder, (mask,), None, {})


def _read(
    source: Source,
    folder: Path,
    masks: tuple[MaskFile, ...],
    images: Images | None,
    rules: Mapping[str, object],
) -> ReadMask | Refused:
    given, plan = MaskFiles.model_validate(rules), images or volume_plan()
    work = mask_work(DicomReader(), folder, folder, plan, CLASSES, given)
    ((_, answer),) = in_sandbox(work, [MaskJob(source, masks)], n_workers=1)
    return answer


def labels_of(answer: ReadMask | Refused) -> np.ndarray:
    assert isinstance(answer, ReadMask), answer
    assert not answer.unmapped
    return answer.labels


def join(
    sources: Sequence[Source],
    masks: Sequence[MaskFile],
    others: Sequence[Row] = (),
    **rules: object,
) -> Joined:
    return join_masks(sources, masks, MaskFiles.model_validate(rules), CLASSES, others)
