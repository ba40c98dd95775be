"""Slices of one body make one volume: what is tilted is put right, several stacks are refused."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from tests.unit.client.candidates import files_of
from tests.unit.client.pixel_files import put
from tests.unit.client.test_series import AXIAL, arranged, volume_plan, write_slice

from medfl_client.data.dicom.patch import read_patch
from medfl_client.data.dicom.series import read_volume
from medfl_common.errors import DataError
from medfl_common.plan.images import Images, PercentileWindow

RANGE = PercentileWindow(rule="percentile", low=0, high=100)
TILT = np.radians(20)
TILTED = (1.0, 0.0, 0.0, 0.0, float(np.cos(TILT)), float(-np.sin(TILT)))


def frames_of(path: Path, planes: list[tuple[tuple[float, ...], tuple[float, ...]]]) -> Path:
    """Write one multi-frame file of (position, orientation) planes."""
    dataset = dcmread(write_slice(path, 0.0))
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(dataset, keyword)
    dataset.set_pixel_data(
        np.stack([dataset.pixel_array + i for i in range(len(planes))]), "MONOCHROME2", 16
    )
    groups = []
    for position, orientation in planes:
        own, place, way = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient, way.ImageOrientationPatient = [*position], [*orientation]
        own.PlanePositionSequence, own.PlaneOrientationSequence = Sequence([place]), Sequence([way])
        groups.append(own)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(groups)
    dataset.save_as(path)
    return path


def write_rod(folder: Path, n: int = 9, step_mm: float = 2.5) -> list[Path]:
    """Scan a rod along the table under a gantry that is tilted by 20 degrees.

    Each plane begins step_mm further along the table, so the rod is at one pixel of each.
    """
    paths = []
    for i in range(n):
        path = write_slice(folder / f"{i:02}.dcm", 0.0, n=32)
        dataset = dcmread(path)
        pixels = np.full((32, 32), -1000, dtype=np.int16)
        pixels[15:17, 15:17] = 1000
        dataset.PixelData = pixels.tobytes()
        dataset.ImageOrientationPatient = list(TILTED)
        dataset.ImagePositionPatient = [-15.5, -14.0, 5.0 + i * step_mm]
        dataset.save_as(path)
        paths.append(path)
    return paths


def test_a_tilted_gantry_is_put_right(tmp_path: Path) -> None:
    paths = write_rod(tmp_path)

    plan = volume_plan(size=40, spacing_mm=1.0, slice_mm=2.5 * np.cos(TILT), depth=9)
    volume = read_volume(paths, plan.model_copy(update={"intensity": RANGE}))[0]

    rows = volume.sum(axis=2)
    place = (rows * np.arange(40)).sum(axis=1) / rows.sum(axis=1)
    # the rod runs along the table: in the plane of the slices it moves 2.5 mm * sin(20) a slice
    assert np.abs(np.diff(place)) == pytest.approx([2.5 * np.sin(TILT)] * 8, abs=0.05)
    columns = volume.sum(axis=1)
    assert np.ptp((columns * np.arange(40)).sum(axis=1) / columns.sum(axis=1)) < 0.01


def test_a_patch_of_a_tilted_series_is_put_right(tmp_path: Path) -> None:
    files = files_of(write_rod(tmp_path))
    values = {"modality": ["CT"], "sample": "candidate", "dimensions": 3, "size": 16, "depth": 5}
    mm = {"spacing_mm": 1.0, "slice_mm": 2.5 * np.cos(TILT), "intensity": RANGE}
    images = Images.model_validate({**values, **mm})
    middle = np.array([-15.5, -14.0, 5.0 + 4 * 2.5]) + 15.5 * np.array([1, 0, 0])
    middle = middle + 15.5 * np.array(TILTED[3:])

    patch = read_patch(files, images, tuple(map(float, middle)))[0]

    rows = patch.sum(axis=2)
    place = (rows * np.arange(16)).sum(axis=1) / rows.sum(axis=1)
    assert place[2] == pytest.approx(7.5, abs=0.05)
    assert np.abs(np.diff(place)) == pytest.approx([2.5 * np.sin(TILT)] * 4, abs=0.05)


def test_directions_that_are_too_long_do_not_stretch_the_patient(tmp_path: Path) -> None:
    paths = [write_slice(tmp_path / f"{z}.dcm", 2.0 * z) for z in range(9)]
    plan = volume_plan(slice_mm=2.0, spacing_mm=1.0, depth=9)
    right = read_volume(paths, plan)
    for path in paths:
        put(path, ImageOrientationPatient=("DS", b"1.04\\0\\0\\0\\1.04\\0 "))

    assert np.allclose(read_volume(paths, plan), right, atol=1e-5)


@pytest.mark.parametrize(
    ("keyword", "value", "reason"),
    [
        ("ImageOrientationPatient", b"1\\0\\0\\0.5\\0.866\\0", "rows and columns are 60 degrees"),
        ("ImageOrientationPatient", b"2\\0\\0\\0\\2\\0 ", "directions have length 1"),
        ("ImageOrientationPatient", b"NaN\\0\\0\\0\\1\\0 ", r"\(0020,0037\) is NaN\\0\\0"),
        ("ImageOrientationPatient", b"1\\0\\0\\0\\1", r"\(0020,0037\) is 1\\0\\0\\0\\1"),
        ("ImagePositionPatient", b"0\\inf\\0 ", r"\(0020,0032\) is 0\\inf\\0"),
        ("ImagePositionPatient", b"0\\0\\ ", r"\(0020,0032\) is 0\\0"),
        ("PixelSpacing", b"1\\2 ", r"PixelSpacing \(0028,0030\) is not the same"),
    ],
)
def test_a_slice_without_a_right_place_is_named(
    keyword: str, value: bytes, reason: str, tmp_path: Path
) -> None:
    paths = [write_slice(tmp_path / f"{z}.dcm", 2.0 * z) for z in range(5)]
    put(paths[2], **{keyword: ("DS", value)})

    with pytest.raises(DataError, match=reason):
        read_volume(paths, volume_plan())


def test_a_slice_of_padding_only_does_not_cost_the_volume(tmp_path: Path) -> None:
    paths = [write_slice(tmp_path / f"{z}.dcm", 2.0 * z, PixelPaddingValue=-2000) for z in range(5)]
    empty = dcmread(paths[0])
    empty.PixelData = np.full((16, 16), -2000, dtype=np.int16).tobytes()
    empty.save_as(paths[0])

    volume = read_volume(paths, volume_plan(depth=5, intensity=RANGE))[0]

    assert volume[0].max() == 0.0
    assert all(part.max() > 0.5 for part in volume[1:])


CORONAL, SAGITTAL = (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)


@pytest.mark.parametrize(
    ("planes", "reason"),
    [
        (
            [((0, 0, 3 * i), way) for way in (AXIAL, CORONAL, SAGITTAL) for i in range(3)],
            r"\(0020,0037\) says 3 planes among 9 slices",
        ),
        (
            [((200 * (i // 3), 0, 3 * i), AXIAL) for i in range(6)],
            r"shifted in their plane by up to 200.0 mm, not evenly",
        ),
        ([((4 * i, 0, 3 * i), AXIAL) for i in range(6)], "says a tilt of 53 degrees"),
        ([((2 * i, 0, 3 * i), AXIAL) for i in range(6)], "tilted, and PixelSpacing .* is missing"),
        ([((0, 0, 3 * (i % 3)), AXIAL) for i in range(6)], "3 slices lie where another does"),
        ([((0, 0, z), AXIAL) for z in (0, 3, 6, 40, 43, 46)], "a gap of 34.0 mm"),
    ],
)
def test_a_file_of_several_stacks_is_no_volume(
    planes: list[tuple[tuple[float, ...], tuple[float, ...]]], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=reason):
        read_volume([frames_of(tmp_path / "a.dcm", planes)], volume_plan())


def test_frames_in_any_order_and_only_one_plane_are_a_volume(tmp_path: Path) -> None:
    heights = [6, 0, 9, 3, 12]
    path = frames_of(tmp_path / "a.dcm", [((0, 0, z), AXIAL) for z in heights])

    volume = read_volume([path], volume_plan(depth=5))[0]

    brightness = np.rint((volume.mean(axis=(1, 2)) - volume[2].mean()) * 1000)
    assert brightness.tolist() == [1, 3, 0, 2, 4]  # by height; frame i is i brighter


def test_a_series_of_two_stacks_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    for i in range(6):
        path = write_slice(tmp_path / f"{i}", 3.0 * i)
        dataset = dcmread(path)
        dataset.ImagePositionPatient = [200 * (i // 3), 0, 3 * i]
        dataset.save_as(path)

    with pytest.raises(DataError, match="several stacks"):
        arranged(tmp_path)


def test_a_file_with_a_broken_place_says_so_and_the_rest_is_a_volume(tmp_path: Path) -> None:
    for i in range(5):
        write_slice(tmp_path / f"{i}", 3.0 * i)
    put(write_slice(tmp_path / "odd", 3.0), ImageOrientationPatient=("DS", b"NaN\\0\\0\\0\\1\\0 "))

    names, left_out = arranged(tmp_path)

    assert names == ["0", "1", "2", "3", "4"]
    assert left_out["odd"].startswith("ImageOrientationPatient (0020,0037) is NaN")


def test_directions_that_differ_by_rounding_are_one_plane(tmp_path: Path) -> None:
    for i in range(6):
        way = (1, 0, 0, 0, 1, 0.0049 if i % 2 else 0.0051)
        write_slice(tmp_path / f"{i}", 3.0 * i, ImageOrientationPatient=list(way))

    names, left_out = arranged(tmp_path)

    assert (names, left_out) == (["0", "1", "2", "3", "4", "5"], {})


def test_positions_rounded_to_millimetres_are_one_stack(tmp_path: Path) -> None:
    for i in range(6):
        path = write_slice(tmp_path / f"{i}", 3.0 * i)
        put(path, ImagePositionPatient=("DS", f"{-8 + i % 2}\\-8\\{3 * i}".encode()))

    assert len(arranged(tmp_path)[0]) == 6
