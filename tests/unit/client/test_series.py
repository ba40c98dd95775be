"""Volumes: one body, stored in any direction and order, is one array; what is amiss is named."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from medfl_client.data.dicom.header import Rules, read_row
from medfl_client.data.dicom.series import arrange, read_volume
from medfl_client.data.reader import ALL_FRAMES, DicomReader, Source, read_pixels
from medfl_common.errors import DataError
from medfl_common.plan.images import FixedWindow, Images

SERIES, STUDY = generate_uid(), generate_uid()
AXIAL = (1, 0, 0, 0, 1, 0)
FEET_FIRST = (-1, 0, 0, 0, 1, 0)  # rows run to the right: the normal points to the feet
UPSIDE_DOWN = (-1, 0, 0, 0, -1, 0)  # prone


def hounsfield(points: np.ndarray) -> np.ndarray:
    """A body whose value grows to the left, the back and the head: 10 x + 5 y + 3 z, in mm."""
    return points @ np.array([10.0, 5.0, 3.0])


def geometry(z: float, orientation: tuple[float, ...], n: int = 16) -> tuple[np.ndarray, Dataset]:
    """Scan the body at height z, on the same n x n points whatever the orientation."""
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    first = np.array([0.0, 0.0, z]) - (row + column) * (n - 1) / 2
    index = np.arange(n)
    points = first + index[None, :, None] * row + index[:, None, None] * column
    facts = Dataset()
    facts.ImagePositionPatient = [float(value) for value in first]
    facts.ImageOrientationPatient = list(orientation)
    facts.PixelSpacing = [1, 1]
    return np.rint(hounsfield(points)).astype(np.int16), facts


def write_slice(
    path: Path,
    z: float,
    orientation: tuple[float, ...] = AXIAL,
    n: int = 16,
    noise: int = 0,
    **tags: object,
) -> Path:
    pixels, facts = geometry(z, orientation, n)
    if noise:
        pixels += np.random.default_rng(noise).integers(0, 99, pixels.shape, np.int16)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.PatientID, dataset.Modality = CTImageStorage, "1", "CT"
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID = SERIES, STUDY
    dataset.set_pixel_data(pixels, "MONOCHROME2", 16)
    dataset.update(facts)
    for name, value in tags.items():
        setattr(dataset, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def volume_plan(**changes: object) -> Images:
    rule = FixedWindow(rule="fixed", centre=0, width=1000)
    values = {"modality": ["CT"], "sample": "series", "dimensions": 3, "size": 16, "depth": 9}
    return Images.model_validate({**values, "intensity": rule, **changes})


def arranged(folder: Path) -> tuple[list[str], dict[str, str]]:
    rows = [read_row(path, path.name, Rules(b"k")) for path in sorted(folder.iterdir())]
    slices, left_out = arrange(rows)
    return [row.path for row in slices], left_out


@pytest.mark.parametrize("orientation", [AXIAL, FEET_FIRST, UPSIDE_DOWN])
def test_one_body_is_one_array_whatever_the_direction_and_the_order(
    orientation: tuple[float, ...], tmp_path: Path
) -> None:
    heights = [float(z) for z in np.random.default_rng(0).permutation(np.arange(-20, 25, 5))]
    paths = [write_slice(tmp_path / f"{i}.dcm", z, orientation) for i, z in enumerate(heights)]

    volume = read_volume(paths, volume_plan())

    assert volume.shape == (1, 9, 16, 16)
    # z from -20 in steps of 5, y and x from -7.5 in steps of 1, in a window of 1000 around 0
    z, y, x = np.meshgrid(np.arange(-20, 25, 5), *(np.arange(16) - 7.5,) * 2, indexing="ij")
    np.testing.assert_allclose(volume[0], 0.5 + (10 * x + 5 * y + 3 * z) / 1000, atol=6e-4)


def test_slices_are_resampled_to_the_plans_millimetres(tmp_path: Path) -> None:
    paths = [write_slice(tmp_path / f"{z}.dcm", float(z)) for z in range(-20, 25, 5)]

    finer = read_volume(paths, volume_plan(slice_mm=2.5, spacing_mm=2.0, depth=17))[0]

    middle = finer[8]  # z = 0
    assert finer[:, 8, 8] - middle[8, 8] == pytest.approx(
        np.arange(-20, 22.5, 2.5) * 3 / 1000, abs=1e-6
    )
    inside = np.flatnonzero(middle[8])
    assert len(inside) == 8  # 16 mm in steps of 2
    assert np.diff(middle[8, inside[1:-1]]) == pytest.approx(0.02, abs=1e-3)


def test_a_multi_frame_file_is_a_volume_by_its_functional_groups(tmp_path: Path) -> None:
    heights = [10.0, -10.0, 0.0, 5.0, -5.0]
    frames = [geometry(z, AXIAL) for z in heights]
    single = [write_slice(tmp_path / f"{z}.dcm", z) for z in heights]
    own = []
    for _, facts in frames:
        position, groups = Dataset(), Dataset()
        position.ImagePositionPatient = facts.ImagePositionPatient
        groups.PlanePositionSequence = Sequence([position])
        own.append(groups)
    plane, shared = Dataset(), Dataset()
    plane.ImageOrientationPatient = list(AXIAL)
    shared.PlaneOrientationSequence = Sequence([plane])
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.PatientID, dataset.StudyInstanceUID = "1.2", "1", STUDY
    dataset.set_pixel_data(np.stack([pixels for pixels, _ in frames]), "MONOCHROME2", 16)
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    dataset.PerFrameFunctionalGroupsSequence = Sequence(own)
    dataset.save_as(tmp_path / "multi.dcm", enforce_file_format=True)
    row = read_row(tmp_path / "multi.dcm", "multi.dcm", Rules(b"k"))
    plan = volume_plan(depth=5)

    volume = read_pixels(DicomReader(), tmp_path, plan, Source((row,), ALL_FRAMES))

    expected = np.rint(read_volume(single, plan) * 255)
    assert np.array_equal(volume, expected.astype(np.uint8))


def test_a_scout_is_left_out_and_the_rest_is_ordered_by_place(tmp_path: Path) -> None:
    for name, z in (("a", 5.0), ("b", -5.0), ("c", 0.0)):
        write_slice(tmp_path / name, z)
    write_slice(tmp_path / "scout", 0.0, (0, 1, 0, 0, 0, -1))

    names, left_out = arranged(tmp_path)

    assert names == ["b", "c", "a"]
    assert left_out == {"scout": "another plane or size than the rest of its series (a scout?)"}


def test_what_is_no_volume_says_why(tmp_path: Path) -> None:
    for z in (0.0, 5.0, 10.0, 20.0):
        write_slice(tmp_path / "gap" / f"{z}", z)
    for i, z in enumerate((0.0, 5.0, 5.0, 10.0)):
        write_slice(tmp_path / "twice" / f"{i}", z)
    for z in (0.0, 5.0):
        write_slice(tmp_path / "few" / f"{z}", z)
    for z in (0.0, 5.0, 10.0):
        write_slice(tmp_path / "halves" / f"{z}", z)
        write_slice(tmp_path / "halves" / f"{z} large", z, n=20)

    for folder, message in (
        ("gap", r"a gap of 10.0 mm after slice 3 of 4, where the others are 5.0 mm apart"),
        ("twice", "1 slices lie where another does"),
        ("few", "has 2 slices; a volume needs 3"),
        ("halves", "slices of 2 planes or sizes, none most"),
    ):
        with pytest.raises(DataError, match=message):
            arranged(tmp_path / folder)
