"""NIfTI, NRRD and PNG: values as names, each voxel at its place, in any direction."""

import gzip
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import DigitalXRayImageStorageForPresentation
from tests.masks import mask_plan
from tests.unit.client.masks.mask_files import (
    SIDE,
    STEP,
    N,
    item,
    labels_of,
    mask_file,
    read,
    row_of,
    write_seg,
    write_series,
)
from tests.unit.client.masks.outlined_site import VOLUMES
from tests.unit.client.test_series import AXIAL, UPSIDE_DOWN, write_slice

from medfl_client.config.mask_files import MaskFiles
from medfl_client.data.masked import PACKAGES, Folders, cached_masks
from medfl_client.data.masks.grey_values import whole_numbers
from medfl_client.data.masks.work import ReadMask
from medfl_client.data.reader import DicomReader, Source
from medfl_client.data.records import Cache
from medfl_client.data.sandbox_wire import Refused
from medfl_client.data.selection import Sample
from medfl_common.errors import DataError
from medfl_common.plan.images import Images

RNG = np.random.default_rng(3)
TRUTH = RNG.integers(0, 3, (N, SIDE, SIDE)).astype(np.uint8)
NAMES = {"1": "liver", "2": "tumour"}
HALF = (SIDE - 1) / 2
# from a voxel (x, y, z) of the truth to mm to the left, back and head
LPS = np.array([[1, 0, 0, -HALF], [0, 1, 0, -HALF], [0, 0, STEP, -20], [0, 0, 0, 1.0]])
RAS = np.diag([-1.0, -1, 1, 1]) @ LPS
FLIPPED = np.array([[-1, 0, 0, SIDE - 1], [0, 1, 0, 0], [0, 0, -1, N - 1], [0, 0, 0, 1.0]])


def write_nifti(path: Path, volume: np.ndarray, affine: np.ndarray) -> Path:
    import nibabel

    nibabel.Nifti1Image(volume, affine).to_filename(path)
    return path


def write_nrrd(path: Path, volume: np.ndarray, affine: np.ndarray, space: str) -> Path:
    import nrrd

    header = {"space": space, "space directions": affine[:3, :3].T, "space origin": affine[:3, 3]}
    nrrd.write(str(path), volume, header)
    return path


@pytest.mark.parametrize("orientation", [AXIAL, UPSIDE_DOWN])
def test_a_volume_lies_in_the_patient_however_it_is_stored(
    orientation: tuple[float, ...], tmp_path: Path
) -> None:
    source = write_series(tmp_path, orientation)
    stored = TRUTH.transpose(2, 1, 0)
    paths = [
        write_nifti(tmp_path / "a.nii.gz", stored.astype(np.float32), RAS),
        write_nifti(tmp_path / "b.nii", stored[::-1, :, ::-1], RAS @ FLIPPED),
        write_nifti(tmp_path / "c.nii", stored.transpose(2, 0, 1), RAS[:, [2, 0, 1, 3]]),
        write_nrrd(tmp_path / "d.nrrd", stored, LPS, "left-posterior-superior"),
        write_nrrd(tmp_path / "e.nrrd", stored, RAS, "right-anterior-superior"),
    ]
    for path in paths:
        answer = read(source, tmp_path, [path], names=NAMES)
        np.testing.assert_array_equal(labels_of(answer), TRUTH, err_msg=path.name)
        assert isinstance(answer, ReadMask)
        assert answer.notes == ()


def test_another_place_is_refused_and_another_grid_told(tmp_path: Path) -> None:
    source, stored = write_series(tmp_path), TRUTH.transpose(2, 1, 0)
    far, near = RAS.copy(), RAS.copy()
    far[0, 3] += 300
    near[0, 3] += 0.2
    far_path = write_nifti(tmp_path / "far.nii", stored, far)
    near_path = write_nifti(tmp_path / "near.nii", stored, near)

    refused = read(source, tmp_path, [far_path], names=NAMES)
    answer = read(source, tmp_path, [near_path], names=NAMES)

    assert isinstance(refused, Refused)
    assert "outside the image" in refused.reason
    np.testing.assert_array_equal(labels_of(answer), TRUTH)
    assert isinstance(answer, ReadMask)
    assert answer.notes == ("mask has a grid of its own; the nearest of its voxels count",)


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64])
def test_whole_numbers_take_no_more_memory_than_they_are(dtype: type[np.generic]) -> None:
    values = np.asfortranarray(RNG.integers(0, 9, (90, 80, 70)).astype(dtype))
    tracemalloc.start()
    found = whole_numbers(values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(found, values)
    assert peak < 3 * values.size  # 2 bytes a voxel
    for bad in (-1, 0.5, np.nan, 70000):
        with pytest.raises(DataError):
            whole_numbers(np.full((2, 3, 4), bad))


def test_a_mask_without_a_place_is_refused(tmp_path: Path) -> None:
    import nibabel

    made = nibabel.Nifti1Image(TRUTH.transpose(2, 1, 0), None)
    made.header.set_zooms((1, 1, STEP))
    made.to_filename(tmp_path / "m.nii")

    answer = read(write_series(tmp_path), tmp_path, [tmp_path / "m.nii"], names=NAMES)

    assert isinstance(answer, Refused)
    assert "does not say where it lies" in answer.reason


def test_a_file_that_is_no_label_map_costs_one_case(tmp_path: Path) -> None:
    source, stored = write_series(tmp_path), TRUTH.transpose(2, 1, 0)
    bomb = tmp_path / "bomb.nii.gz"
    bomb.write_bytes(gzip.compress(bytes(2**26)) * 40)
    for name in ("no.nii", "no.nii.gz", "no.nrrd"):
        (tmp_path / name).write_bytes(b"NRRD0004\nnothing")
    bad = {
        "share.nii": write_nifti(tmp_path / "share.nii", stored / 7, RAS),
        "minus.nii": write_nifti(tmp_path / "minus.nii", stored.astype(np.int16) - 1, RAS),
        "flat.nii": write_nifti(tmp_path / "flat.nii", stored[:, :, 0], RAS),
        **{path.name: path for path in tmp_path.glob("no.*")},
        "bomb": bomb,
    }
    for name, path in bad.items():
        assert isinstance(read(source, tmp_path, [path], names=NAMES), Refused), name


def picture(folder: Path, shape: tuple[int, int] = (40, 30)) -> Source:
    path = write_slice(folder / "x.dcm", 0, SOPInstanceUID="1.9.1")
    dataset = dcmread(path)
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    del dataset.ImagePositionPatient, dataset.ImageOrientationPatient
    dataset.Modality = "DX"
    dataset.set_pixel_data(np.arange(np.prod(shape)).reshape(shape).astype(np.int16),
                           "MONOCHROME2", 16)  # fmt: skip
    dataset.SOPInstanceUID = "1.9.1"
    dataset.save_as(path)
    return Source((row_of(path, folder),))


PLAN = Images.model_validate({"modality": ["DX"], "size": 40})


def write_png(path: Path, values: np.ndarray, mode: str) -> Path:
    from PIL import Image

    image = Image.fromarray(values)
    if mode == "P":
        image.putpalette([7 * i % 256 for i in range(768)])
    image.convert(mode).save(path) if mode != "P" else image.save(path)
    return path


@pytest.mark.parametrize("mode", ["L", "P", "RGB"])
def test_a_picture_has_its_mask_in_grey_or_by_its_palette(mode: str, tmp_path: Path) -> None:
    source, values = picture(tmp_path), np.zeros((40, 30), dtype=np.uint8)
    values[4:10, 5:25], values[20:30, :] = 2, 1
    path = write_png(tmp_path / "m.png", values, mode)

    answer = read(source, tmp_path, [path], PLAN, names=NAMES)

    np.testing.assert_array_equal(labels_of(answer)[:, 5:35], values)
    assert not labels_of(answer)[:, :5].any()
    assert isinstance(answer, ReadMask)
    assert np.isnan(answer.ml).all()


def test_a_mask_of_another_size_is_refused_unless_the_site_says_otherwise(tmp_path: Path) -> None:
    source, values = picture(tmp_path), np.zeros((80, 60), dtype=np.uint8)
    values[8:20, 10:50] = 1
    path = write_png(tmp_path / "m.png", values, "L")

    refused = read(source, tmp_path, [path], PLAN, names=NAMES)
    labels = labels_of(read(source, tmp_path, [path], PLAN, names=NAMES, size="any"))

    assert isinstance(refused, Refused)
    assert "80 x 60 pixels, the image 40 x 30" in refused.reason
    np.testing.assert_array_equal(labels[:, 5:35], values[::2, ::2])


def test_a_grey_value_without_a_class_is_given_to_the_caller(tmp_path: Path) -> None:
    source = picture(tmp_path)
    path = write_png(tmp_path / "m.png", np.full((40, 30), 255, dtype=np.uint8), "L")

    answer = read(source, tmp_path, [path], PLAN, names=NAMES)

    assert isinstance(answer, ReadMask)
    assert answer.unmapped == ("255",)


def test_a_segmentation_of_a_picture_needs_no_place_but_its_size(tmp_path: Path) -> None:
    source = picture(tmp_path)
    values = np.zeros((40, 30), dtype=np.uint8)
    values[4:10, 5:25] = 1
    good = write_seg(tmp_path / "good", [(1, None, values)], FrameOfReferenceUID="")
    large = write_seg(tmp_path / "large", [(1, None, np.ones((50, 30)))], FrameOfReferenceUID="")

    labels = labels_of(read(source, tmp_path, [good], PLAN))
    refused = read(source, tmp_path, [large], PLAN)

    np.testing.assert_array_equal(labels[:, 5:35], values)
    assert isinstance(refused, Refused)
    assert "50 x 30 pixels, the image 40 x 30" in refused.reason
    assert mask_file(good, tmp_path).frames == ()


def test_each_frame_of_a_loop_has_its_own_mask(tmp_path: Path) -> None:
    picture(tmp_path)
    plan = Images.model_validate({"modality": ["DX"], "size": 16})
    dataset = dcmread(tmp_path / "x.dcm")
    dataset.set_pixel_data(np.zeros((3, 16, 16), dtype=np.uint8), "MONOCHROME2", 8)
    dataset.SOPInstanceUID = "1.9.1"
    dataset.save_as(tmp_path / "x.dcm")
    source = Source((row_of(tmp_path / "x.dcm", tmp_path),))
    frames = [(1, None, (TRUTH[k] == 1).astype(np.uint8)) for k in range(3)]
    blind = write_seg(tmp_path / "blind", frames, FrameOfReferenceUID="")
    named = dcmread(blind)
    for k, groups in enumerate(named.PerFrameFunctionalGroupsSequence):
        image = item(ReferencedSOPInstanceUID="1.9.1", ReferencedFrameNumber=k + 1)
        groups.DerivationImageSequence = [item(SourceImageSequence=[image])]
    named.save_as(tmp_path / "named")

    for k in range(3):
        one = replace(source, frame=k)
        labels = labels_of(read(one, tmp_path, [tmp_path / "named"], plan))
        np.testing.assert_array_equal(labels, TRUTH[k] == 1)
    assert isinstance(refused := read(source, tmp_path, [blind], plan), Refused)
    assert "several frames" in refused.reason


def test_a_missing_package_stops_the_site_and_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_series(tmp_path / "d")
    path = write_nifti(tmp_path / "d/m.nii", TRUTH.transpose(2, 1, 0), RAS)
    masks = (mask_file(path, tmp_path / "d"),)
    sample = Sample(source, (float("nan"),) * 2, "p", {}, masks=masks)
    plan = mask_plan(images=dict(VOLUMES), task={"classes": ["background", "liver", "tumour"]})
    folders, rules = Folders(tmp_path / "d", tmp_path / "d"), MaskFiles(names=NAMES)

    def opened() -> Cache:
        return cached_masks([sample], folders, plan, rules, tmp_path / "cache", DicomReader())

    with monkeypatch.context() as without:
        without.setitem(PACKAGES, "nifti", "a_package_that_nobody_has")
        with pytest.raises(DataError, match="a_package_that_nobody_has"):
            opened()
    assert opened().rows.tolist() == [0]
