"""DICOM SEG: each voxel where its frame says it is, whatever the producer left out."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLSLossless, RLELossless
from tests.unit.client.masks.mask_files import (
    FRAME,
    OTHER_FRAME,
    PLACES,
    SIDE,
    STEP,
    Frame,
    N,
    first_pixel,
    item,
    labels_of,
    read,
    read_unindexed,
    volume_of,
    write_seg,
    write_series,
)
from tests.unit.client.test_series import AXIAL, FEET_FIRST, volume_plan, write_slice

from medfl_client.data.dicom.series import read_volume
from medfl_client.data.masks.content import EMPTY, OUTSIDE_IMAGE
from medfl_client.data.masks.work import ReadMask
from medfl_client.data.reader import Source
from medfl_client.data.sandbox_wire import Refused
from medfl_common.plan.images import Images

RNG = np.random.default_rng(7)
TRUTH = RNG.integers(0, 2, (N, SIDE, SIDE)).astype(np.uint8)  # no two voxels may change places

TILTED = (1.0, 0.0, 0.0, 0.0, float(np.cos(0.6)), float(np.sin(0.6)))


def frames_of(volume: np.ndarray, segment: int = 1, shift: np.ndarray | float = 0) -> list[Frame]:
    """Give a frame for each slice that is not empty."""
    return [
        (segment, first_pixel(place) + shift, part)
        for place, part in zip(PLACES, volume, strict=True)
        if part.any()
    ]


def test_frames_in_any_order_with_some_missing_lie_where_they_say(tmp_path: Path) -> None:
    source, truth = write_series(tmp_path), TRUTH.copy()
    truth[[1, 4, 5]] = 0
    frames = frames_of(truth)
    frames = [frames[i] for i in RNG.permutation(len(frames))]

    answer = read(source, tmp_path, [write_seg(tmp_path / "seg", frames)])

    np.testing.assert_array_equal(labels_of(answer), truth)
    assert isinstance(answer, ReadMask)
    assert answer.notes == ()
    assert answer.ml[1] == pytest.approx(truth.sum() * STEP / 1000)


def test_a_mask_without_a_voxel_loses_its_image_until_a_person_says_it_is_background(
    tmp_path: Path,
) -> None:
    source = write_series(tmp_path)
    nothing = np.zeros((SIDE, SIDE), dtype=np.uint8)
    seg = write_seg(tmp_path / "seg", [(1, first_pixel(PLACES[2]), nothing)])

    unsaid, answer = (read(source, tmp_path, [seg], empty=e) for e in (None, "background"))

    assert isinstance(unsaid, Refused)
    assert "write data.masks.empty: background" in unsaid.reason
    assert not labels_of(answer).any()
    assert isinstance(answer, ReadMask)
    assert answer.notes == (EMPTY,)


def test_a_slice_of_a_series_has_its_own_part_of_the_mask_or_none(tmp_path: Path) -> None:
    source, truth = write_series(tmp_path), TRUTH.copy()
    truth[4] = 0
    path = write_seg(tmp_path / "seg", frames_of(truth))
    plan = Images.model_validate({"modality": ["CT"], "size": SIDE})
    for i in (3, 4):
        answer = read(Source((source.rows[i],)), tmp_path, [path], plan)
        np.testing.assert_array_equal(labels_of(answer), truth[i])
        assert isinstance(answer, ReadMask)
        assert answer.notes == ()


def test_bits_that_end_within_a_byte_are_the_next_frames(tmp_path: Path) -> None:
    source, part = write_series(tmp_path), TRUTH[:, :13, :11]
    whole = np.zeros_like(TRUTH)
    whole[:, :13, :11] = part

    answer = read(source, tmp_path, [write_seg(tmp_path / "seg", frames_of(part))])

    np.testing.assert_array_equal(labels_of(answer), whole)  # 143 bits a frame, another grid


def test_fractional_counts_from_the_threshold_on(tmp_path: Path) -> None:
    source = write_series(tmp_path)
    parts = RNG.integers(0, 201, TRUTH.shape).astype(np.uint8)
    frames = frames_of(parts)
    path = write_seg(tmp_path / "seg", frames, kind="FRACTIONAL", MaximumFractionalValue=200)
    damaged = write_seg(tmp_path / "bad", frames, kind="FRACTIONAL", MaximumFractionalValue=0)

    half = labels_of(read(source, tmp_path, [path]))
    nearly = labels_of(read(source, tmp_path, [path], threshold=0.9))

    np.testing.assert_array_equal(half, parts >= 100)
    np.testing.assert_array_equal(nearly, parts >= 180)
    assert isinstance(refused := read(source, tmp_path, [damaged]), Refused)
    assert "MaximumFractionalValue" in refused.reason


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEGLSLossless])
def test_a_label_map_is_read_packed_or_not(syntax: str | None, tmp_path: Path) -> None:
    source = write_series(tmp_path)
    values = RNG.choice([0, 3, 9, 77], TRUTH.shape).astype(np.uint8)
    names = {0: "nothing", 3: "tumour", 9: "liver", 77: "left over"}
    path = write_seg(tmp_path / "seg", frames_of(values), names, kind="LABELMAP")
    if syntax:
        dataset = dcmread(path)
        dataset.compress(syntax, generate_instance_uid=False)
        dataset.save_as(path)

    answer = read(source, tmp_path, [path], names={"left*": "ignore"})

    np.testing.assert_array_equal(labels_of(answer), 2 * (values == 3) + (values == 9))


def test_half_a_pixel_off_is_told_and_moves_no_voxel_by_a_whole_one(tmp_path: Path) -> None:
    source, ball = write_series(tmp_path), np.zeros((N, SIDE, SIDE), dtype=np.uint8)
    ball[2:7, 4:12, 4:12] = 1
    path = write_seg(tmp_path / "seg", frames_of(ball, shift=np.array([0.5, -0.5, 0])))

    answer = read(source, tmp_path, [path])

    labels = labels_of(answer)
    assert isinstance(answer, ReadMask)
    assert any("0.5 pixels off" in note for note in answer.notes)
    assert labels.sum() == ball.sum()
    truth = np.argwhere(ball).mean(axis=0) + np.array([0, -0.5, 0.5])  # slices, rows, columns
    np.testing.assert_allclose(np.argwhere(labels).mean(axis=0), truth, atol=0.5)


def test_another_grid_is_looked_up_by_its_place(tmp_path: Path) -> None:
    source = write_series(tmp_path)
    # twice as fine in the plane and along it, rows to the right: frames go to the feet
    at = (np.arange(32) - 15.5) / 2
    disc = (np.hypot(-at - 2, at[:, None] + 1) < 4.1).astype(np.uint8)  # around x 2, y -1
    frames: list[Frame] = [(1, (7.75, -7.75, z), disc) for z in np.arange(-18.75, 20, 2.5)]
    path = write_seg(tmp_path / "seg", frames, orientation=FEET_FIRST, spacing=(0.5, 0.5))

    answer = read(source, tmp_path, [path])

    labels = labels_of(answer)
    at = np.arange(SIDE) - 7.5
    off = np.hypot(at - 2, at[:, None] + 1)
    assert labels[:, off < 4.1 - 0.4].all()
    assert not labels[:, off > 4.1 + 0.4].any()
    assert isinstance(answer, ReadMask)
    assert any("grid of its own" in note for note in answer.notes)


def test_overlaps_follow_the_priority_or_cost_the_case(tmp_path: Path) -> None:
    source, liver, tumour = write_series(tmp_path), TRUTH.copy(), TRUTH[::-1].copy()
    names = {1: "liver", 2: "tumour"}
    path = write_seg(tmp_path / "seg", [*frames_of(liver), *frames_of(tumour, 2)], names)
    both = int((liver & tumour).sum())

    refused = read(source, tmp_path, [path])
    first = labels_of(read(source, tmp_path, [path], priority=["liver", "tumour"]))
    second = labels_of(read(source, tmp_path, [path], priority=["tumour", "liver"]))

    assert isinstance(refused, Refused)
    assert f"liver and tumour overlap in {both} voxels" in refused.reason
    np.testing.assert_array_equal(first, np.where(liver, 1, 2 * tumour))
    np.testing.assert_array_equal(second, np.where(tumour, 2, liver))


def test_a_name_without_a_class_is_given_to_the_caller(tmp_path: Path) -> None:
    source = write_series(tmp_path)
    path = write_seg(tmp_path / "seg", frames_of(TRUTH), {1: "Leber", 2: "tumour"})

    answer = read(source, tmp_path, [path])

    assert isinstance(answer, ReadMask)
    assert answer.unmapped == ("Leber",)


def test_what_a_segmentation_claims_and_does_not_hold_costs_one_case(tmp_path: Path) -> None:
    source, frames = write_series(tmp_path), frames_of(TRUTH)
    bad = {
        "huge": ({"Rows": 60000, "Columns": 60000}, "above the limit"),
        "many": ({"NumberOfFrames": 2_000_000_000}, "are possible"),
        "short": ({"NumberOfFrames": 900}, "too few"),
        "bare": ({"PerFrameFunctionalGroupsSequence": []}, "are described"),
        "nameless": ({"SegmentSequence": []}, "names no segment"),
        "elsewhere": ({"FrameOfReferenceUID": OTHER_FRAME}, "another frame of reference"),
    }
    for name, (tags, reason) in bad.items():
        path = write_seg(tmp_path / name, frames)
        dataset = dcmread(path)
        for tag, value in tags.items():
            setattr(dataset, tag, value)
        dataset.save_as(path)
        answer = read_unindexed(source, tmp_path, path)
        assert isinstance(answer, Refused), name
        assert reason in answer.reason, (name, answer.reason)
    far = write_seg(tmp_path / "far", frames_of(TRUTH, shift=np.array([0, 0, 900.0])))
    assert isinstance(outside := read(source, tmp_path, [far]), Refused)
    assert "outside the image" in outside.reason


def along(step_mm: float) -> Dataset:
    """Give what write_seg says of all frames, with SpacingBetweenSlices."""
    measures = item(PixelSpacing=[1, 1], SpacingBetweenSlices=step_mm)
    shared = item(PixelMeasuresSequence=[measures])
    shared.PlaneOrientationSequence = [item(ImageOrientationPatient=list(TILTED))]
    return shared


@pytest.mark.parametrize("step_mm", [0, -STEP, STEP / np.cos(0.6)])
def test_slices_of_a_tilted_gantry_begin_where_they_say(step_mm: float, tmp_path: Path) -> None:
    for i, place in enumerate(PLACES):
        path = write_slice(tmp_path / f"{i}.dcm", place, TILTED, SIDE, FrameOfReferenceUID=FRAME)
        dataset = dcmread(path)
        dataset.ImagePositionPatient = [float(mm) for mm in begins(i)]
        dataset.save_as(path)
    frames: list[Frame] = [(1, begins(i), TRUTH[i]) for i in range(N)]
    beyond: list[Frame] = [(1, begins(N), TRUTH[0])]
    tags = {"SharedFunctionalGroupsSequence": [along(step_mm)]} if step_mm else {}
    path = write_seg(tmp_path / "seg", frames + beyond, orientation=TILTED, **tags)

    answer = read(volume_of(tmp_path), tmp_path, [path])

    assert isinstance(answer, ReadMask), answer
    assert set(answer.notes) == {OUTSIDE_IMAGE}
    assert answer.ml[1] == pytest.approx(TRUTH.sum() * STEP * np.cos(0.6) / 1000)


def begins(i: int) -> np.ndarray:
    """Give the first pixel of a slice: the table moves by a step from slice to slice."""
    return np.array([-7.5, -7.5, (i - N // 2) * STEP])


def test_frames_of_another_grid_that_begin_at_several_places_are_refused(tmp_path: Path) -> None:
    frames = [
        (1, first_pixel(place) + np.array([0, i, 0]), part)
        for i, (place, part) in enumerate(zip(PLACES, TRUTH, strict=True))
    ]

    answer = read(write_series(tmp_path), tmp_path, [write_seg(tmp_path / "seg", frames)])

    assert isinstance(answer, Refused)
    assert "begin at several places" in answer.reason


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_pixels_of_a_segment_that_nobody_describes_are_not_background(
    kind: str, tmp_path: Path
) -> None:
    frames = frames_of(TRUTH * 3 if kind == "LABELMAP" else TRUTH, 3)
    path = write_seg(tmp_path / "seg", frames, {1: "liver"}, kind=kind)

    answer = read(write_series(tmp_path), tmp_path, [path])

    assert isinstance(answer, Refused)
    assert "does not describe" in answer.reason


@pytest.mark.parametrize("orientation", [AXIAL, FEET_FIRST])
def test_a_mask_moves_with_its_image(orientation: tuple[float, ...], tmp_path: Path) -> None:
    """Whatever the plan's grid: the mask of `image > t` is `> t` of the plan's volume."""
    source = write_series(tmp_path, orientation)
    stored = [dcmread(tmp_path / row.path) for row in source.rows]
    frames: list[Frame] = [
        (1, list(one.ImagePositionPatient), (one.pixel_array > 12).astype(np.uint8))
        for one in stored
    ]
    path = write_seg(tmp_path / "seg", frames, orientation=orientation)
    plan = volume_plan(size=24, depth=12, spacing_mm=0.7, slice_mm=3.1)

    labels = labels_of(read(source, tmp_path, [path], plan))

    volume = read_volume([tmp_path / row.path for row in source.rows], plan)[0]
    values = (volume - 0.5) * 1000
    slope = 10 * 0.7 + 5 * 0.7 + 3 * 3.1  # of the values, from voxel to voxel
    inside = volume > 0
    is_sure = inside & (np.abs(values - 12) > 1.5 * slope)
    assert is_sure.sum() > 0.5 * inside.sum()
    np.testing.assert_array_equal(labels[is_sure], (values > 12)[is_sure])
    assert not labels[~inside].any()
