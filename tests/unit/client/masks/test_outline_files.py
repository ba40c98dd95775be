"""Outlines written as files are read back by medfl and by other programs, voxel by voxel."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from tests.unit.client.masks.mask_files import (
    CLASSES,
    SIDE,
    first_pixel,
    item,
    labels_of,
    mask_file,
    read,
    row_of,
    write_series,
)
from tests.unit.client.masks.test_back import OBLIQUE, blobs, one_hot
from tests.unit.client.test_series import AXIAL, FEET_FIRST, geometry, volume_plan, write_slice
from tests.unit.sim.mask_oracles import places_of, read_by_dcmqi

from medfl_client.data.masks.author import Author
from medfl_client.data.masks.back import from_plan
from medfl_client.data.masks.files import MaskFile
from medfl_client.data.masks.write_work import EXTENSIONS, Kind, Outline, Written, write_work
from medfl_client.data.reader import ALL_FRAMES, DicomReader, Source
from medfl_client.data.sandbox import in_sandbox
from medfl_client.data.sandbox_wire import Refused
from medfl_common.plan.images import Images
from medfl_sim.data.radiograph import write_hospitals

AUTHOR = Author("a study", "ab" * 32)
NUMBERS = {"1": "liver", "2": "tumour"}
PLAN = volume_plan(size=20, depth=12, spacing_mm=0.8, slice_mm=4.0)


def write(
    kind: Kind, folder: Path, source: Source, shares: np.ndarray, images: Images = PLAN
) -> Written | Refused:
    absolute = Source(
        tuple(row_of(folder / row.path, Path("/")) for row in source.rows), source.frame
    )
    work = write_work(kind, images, CLASSES, AUTHOR)
    ((_, answer),) = in_sandbox(work, [Outline(absolute, shares)], n_workers=1)
    if isinstance(answer, Written):
        (folder / f"mask{EXTENSIONS[kind]}").write_bytes(answer.content)
    return answer


def written(answer: Written | Refused) -> Written:
    assert isinstance(answer, Written), answer
    return answer


def native_of(folder: Path, source: Source, shares: np.ndarray) -> np.ndarray:
    return from_plan(shares, DicomReader().grid(folder, source), PLAN)


@pytest.mark.parametrize("orientation", [AXIAL, FEET_FIRST, OBLIQUE])
def test_a_dicom_seg_holds_the_voxels_for_medfl_and_for_dcmqi(
    orientation: tuple[float, ...], tmp_path: Path
) -> None:
    pytest.importorskip("highdicom")
    pytest.importorskip("dcmqi")
    source, shares = write_series(tmp_path, orientation), one_hot(blobs((12, 20, 20), seed=4))
    native = native_of(tmp_path, source, shares)

    found = written(write("dicom-seg", tmp_path, source, shares))

    images = [dcmread(tmp_path / row.path) for row in source.rows]
    images.sort(key=lambda one: DicomReader().grid(tmp_path, source).sops.index(one.SOPInstanceUID))
    of_dcmqi = read_by_dcmqi(tmp_path / "mask.dcm", tmp_path / "out")
    assert of_dcmqi == [places_of(native == label, images) for label in (1, 2)]
    plan = volume_plan()  # the voxels of the image
    ours = labels_of(read(source, tmp_path, [tmp_path / "mask.dcm"], plan))
    grid = DicomReader().grid(tmp_path, source)
    np.testing.assert_array_equal(ours, grid.to_plan(native, 3, plan))
    assert found.voxels == tuple(np.bincount(native.ravel(), minlength=3))
    assert found.ml == pytest.approx(np.array(found.voxels) * 0.005)  # 1 x 1 x 5 mm


def test_a_dicom_seg_says_what_made_it_and_of_which_images(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    source, shares = write_series(tmp_path), one_hot(blobs((12, 20, 20), seed=4))
    contents = [written(write("dicom-seg", tmp_path, source, shares)) for _ in range(2)]

    seg = dcmread(tmp_path / "mask.dcm")

    assert (seg.SegmentationType, seg.BitsAllocated, seg.Modality) == ("BINARY", 1, "SEG")
    assert [one.SegmentLabel for one in seg.SegmentSequence] == ["liver", "tumour"]
    for one in seg.SegmentSequence:
        assert one.SegmentAlgorithmType == "AUTOMATIC"
        assert one.SegmentAlgorithmName == "a study abababababab"
    image = dcmread(tmp_path / source.rows[0].path)
    for name in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert seg[name] == image[name]
    (series,) = seg.ReferencedSeriesSequence
    named = {one.ReferencedSOPInstanceUID for one in series.ReferencedInstanceSequence}
    assert named <= {row.sop for row in source.rows}
    uids = {dcmread(tmp_path / "mask.dcm").SOPInstanceUID, seg.SOPInstanceUID}
    assert len(uids) == 1  # the same outlines have the same UID
    assert len(contents[0].content) == len(contents[1].content)


def test_the_frames_of_a_multi_frame_file_may_lie_in_any_order(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    heights = [10.0, -10.0, 0.0, 5.0, -5.0]
    image, plan = _multi_frame(tmp_path / "multi.dcm", heights), volume_plan(depth=5)
    source = Source((row_of(image, tmp_path),), ALL_FRAMES)
    native = np.zeros((5, SIDE, SIDE), dtype=np.uint8)
    for i in range(5):
        native[i, 2 : 4 + i, 3:9] = 1 + i % 2

    written(write("dicom-seg", tmp_path, source, one_hot(native), plan))

    mask = mask_file(tmp_path / "mask.dcm", tmp_path)
    assert isinstance(mask, MaskFile)
    found = labels_of(read(source, tmp_path, [tmp_path / "mask.dcm"], plan))
    np.testing.assert_array_equal(found, native)


def _multi_frame(path: Path, heights: list[float]) -> Path:
    write_slice(path, 0.0, FrameOfReferenceUID="1.2.3.4", SOPInstanceUID="1.9.9")
    dataset = dcmread(path)
    del dataset.ImagePositionPatient, dataset.ImageOrientationPatient, dataset.PixelSpacing
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    frames = [geometry(z, AXIAL)[0] for z in heights]
    dataset.NumberOfFrames = len(frames)
    dataset.PixelData = np.stack(frames).tobytes()
    measures = item(PixelSpacing=[1, 1], SliceThickness=5)
    plane = item(ImageOrientationPatient=list(AXIAL))
    shared = item(PixelMeasuresSequence=[measures], PlaneOrientationSequence=[plane])
    dataset.SharedFunctionalGroupsSequence = [shared]
    own = [item(ImagePositionPatient=first_pixel(z).tolist()) for z in heights]
    dataset.PerFrameFunctionalGroupsSequence = [item(PlanePositionSequence=[p]) for p in own]
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("orientation", [FEET_FIRST, OBLIQUE])
def test_a_nifti_lies_where_the_image_does(orientation: tuple[float, ...], tmp_path: Path) -> None:
    pytest.importorskip("nibabel")
    source, shares = write_series(tmp_path, orientation), one_hot(blobs((12, 20, 20), seed=5))
    native = native_of(tmp_path, source, shares)

    written(write("nifti", tmp_path, source, shares))

    plan = volume_plan()
    answer = read(source, tmp_path, [tmp_path / "mask.nii.gz"], plan, names=NUMBERS)
    grid = DicomReader().grid(tmp_path, source)
    np.testing.assert_array_equal(labels_of(answer), grid.to_plan(native, 3, plan))


def test_a_png_has_the_pixels_of_its_image_and_none_is_of_a_volume(tmp_path: Path) -> None:
    source = write_series(tmp_path)
    single = Source(source.rows[:1])
    shares = one_hot(np.arange(400, dtype=np.uint8).reshape(20, 20) % 7 // 3)
    images = Images.model_validate({"modality": ["CT"], "size": 20})

    found = written(write("png", tmp_path, single, shares, images))
    refused = write("png", tmp_path, source, one_hot(blobs((12, 20, 20), 1)))

    same = Images.model_validate({"modality": ["CT"], "size": SIDE})
    labels = labels_of(read(single, tmp_path, [tmp_path / "mask.png"], same, names=NUMBERS))
    expected = from_plan(shares, DicomReader().grid(tmp_path, single), images)[0]
    np.testing.assert_array_equal(labels, expected)
    assert np.isnan(found.ml).all()
    assert isinstance(refused, Refused)
    assert "this is a volume" in refused.reason


def test_slices_at_uneven_places_are_no_nifti(tmp_path: Path) -> None:
    pytest.importorskip("nibabel")
    for i, place in enumerate((0.0, 5.0, 10.0, 16.0)):
        write_slice(tmp_path / f"{i}.dcm", place, FrameOfReferenceUID="1", SOPInstanceUID=f"1.{i}")
    source = Source(
        tuple(row_of(path, tmp_path) for path in sorted(tmp_path.iterdir())), ALL_FRAMES
    )

    found = write("nifti", tmp_path, source, one_hot(blobs((12, 20, 20), 1)))

    assert isinstance(found, Refused)
    assert "DICOM SEG can" in found.reason


def test_a_radiograph_that_lies_nowhere_gets_a_seg_and_keeps_its_pixels(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    (site,) = write_hospitals(tmp_path, n_sites=1, n_images=2, seed=1)
    path = next(site.rglob("*.dcm"))
    source = Source((row_of(path, path.parent),))
    images = Images.model_validate({"modality": ["DX"], "size": 20})
    shares = one_hot(np.arange(400, dtype=np.uint8).reshape(20, 20) % 7 // 3)

    written(write("dicom-seg", path.parent, source, shares, images))

    expected = from_plan(shares, DicomReader().grid(path.parent, source), images)[0]
    frames = dcmread(path.parent / "mask.dcm").pixel_array
    np.testing.assert_array_equal(frames > 0, np.stack([expected == 1, expected == 2]))


def test_the_author_fits_into_the_letters_that_dicom_has() -> None:
    assert len(Author("s" * 100, "ab" * 32).name) == 64
