"""RTSTRUCT: what contours enclose, and what becomes of those that enclose nothing."""

import struct
import time
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from tests.unit.client.masks.mask_files import (
    OTHER_FRAME,
    PLACES,
    SIDE,
    STEP,
    N,
    box,
    first_pixel,
    labels_of,
    read,
    write_seg,
    write_series,
    write_structures,
)
from tests.unit.client.test_series import AXIAL, FEET_FIRST, UPSIDE_DOWN

from medfl_client.data.masks.polygon import toggle
from medfl_client.data.masks.work import ReadMask
from medfl_client.data.reader import Source
from medfl_client.data.sandbox_wire import Refused
from medfl_common.plan.images import Images

RULES = {"names": {"GTV*": "tumour"}}
# pixels 3 to 12 of each way: their centres lie from -4.5 to 4.5 mm
SQUARE = np.zeros((SIDE, SIDE), dtype=np.uint8)
SQUARE[3:13, 3:13] = 1
HOLE = SQUARE.copy()
HOLE[6:10, 6:10] = 0  # -1.5 to 1.5 mm


def keyhole(place: float) -> np.ndarray:
    """Go around the outer square, along one line to the hole, around it and back."""
    outer = [(-5, -5), (5, -5), (5, 5), (-5, 5), (-5, -5)]
    inner = [(-1.9, -1.9), (-1.9, 1.9), (1.9, 1.9), (1.9, -1.9), (-1.9, -1.9)]
    return np.array([(x, y, place) for x, y in outer + inner])


@pytest.mark.parametrize("orientation", [AXIAL, FEET_FIRST, UPSIDE_DOWN])
@pytest.mark.parametrize("is_keyhole", [True, False])
def test_a_hole_is_a_contour_of_its_own_or_hangs_on_a_keyhole(
    orientation: tuple[float, ...], is_keyhole: bool, tmp_path: Path
) -> None:
    source = write_series(tmp_path, orientation)
    holed = (
        [keyhole(PLACES[6])] if is_keyhole else [box(PLACES[6], -5, 5), box(PLACES[6], -1.9, 1.9)]
    )
    path = write_structures(tmp_path / "rs", [("GTV 1", [*holed, box(PLACES[2], -5, 5)])])

    answer = read(source, tmp_path, [path], **RULES)

    expected = np.zeros((N, SIDE, SIDE), dtype=np.uint8)
    expected[6], expected[2] = 2 * HOLE, 2 * SQUARE
    np.testing.assert_array_equal(labels_of(answer), expected)
    assert isinstance(answer, ReadMask)
    assert answer.ml[2] == pytest.approx((100 + 84) * 5 / 1000)


def test_contours_that_cannot_be_drawn_are_told_with_their_number(tmp_path: Path) -> None:
    source = write_series(tmp_path)
    tilted = box(PLACES[3], -5, 5) + np.array([[0, 0, 0], [0, 0, 4], [0, 0, 4], [0, 0, 0]])
    contours = [
        box(PLACES[1] + 1, -5, 5),  # between slices, and nothing nearer
        box(PLACES[2] - 2, -5, 5),  # between slices, and the next is nearer
        box(PLACES[2], -5, 5),
        box(200, -5, 5),
        box(-200, -5, 5),
        ("POINT", box(PLACES[3], 0, 0)[:1]),
        ("OPEN_PLANAR", box(PLACES[3], -5, 5)),
        box(PLACES[3], -5, 5)[:2],
        tilted,
        box(PLACES[4], 5, 30),
    ]
    path = write_structures(tmp_path / "rs", [("tumour", contours)])

    answer = read(source, tmp_path, [path])

    labels = labels_of(answer)
    np.testing.assert_array_equal(labels[1:3], 2 * np.stack([SQUARE, SQUARE]))
    assert [int((part > 0).sum()) for part in labels] == [0, 100, 100, 0, 9, 0, 0, 0, 0]
    assert isinstance(answer, ReadMask)
    assert set(answer.notes) == {
        "contours lie between slices; the nearest slice has them",
        "contours lie between slices, and others are nearer; not drawn",
        "2 contours or frames lie outside the image",
        "contours are POINT, not closed; not drawn",
        "contours are OPEN_PLANAR, not closed; not drawn",
        "contours have fewer than 3 points; not drawn",
        "contours do not lie in the image's plane; not drawn",
        "contours reach beyond the image's edge",
        "slices between a region's contours have none",
    }


def test_two_regions_of_one_name_are_refused_unless_one_is_empty(tmp_path: Path) -> None:
    source, drawn = write_series(tmp_path), [box(PLACES[2], -5, 5)]
    two = write_structures(tmp_path / "two", [("tumour", drawn), ("tumour", drawn)])
    one = write_structures(tmp_path / "one", [("tumour", drawn), ("tumour", [])])

    refused = read(source, tmp_path, [two])

    assert isinstance(refused, Refused)
    assert "have one name" in refused.reason
    assert (labels_of(read(source, tmp_path, [one])) == 2).sum() == 100


def test_outlines_on_the_centres_of_pixels_count_once() -> None:
    mask = np.zeros((30, 30), dtype=np.bool_)
    for ends in ((5, 10), (10, 15)):
        corners = [(5, ends[0]), (5, ends[1]), (20, ends[1]), (20, ends[0])]
        toggle(mask, np.array(corners, dtype=float))

    assert mask[5:20, 5:15].all()
    assert mask.sum() == 150


def test_regions_that_share_a_number_are_refused(tmp_path: Path) -> None:
    path = write_structures(tmp_path / "rs", [("liver", [box(PLACES[2], -5, 5)]), ("tumour", [])])
    dataset = dcmread(path)
    dataset.StructureSetROISequence[1].ROINumber = 1
    dataset.save_as(path)

    answer = read(write_series(tmp_path), tmp_path, [path])

    assert isinstance(answer, Refused)
    assert "share a ROINumber" in answer.reason


def test_what_has_no_contour_is_background_or_unknown_as_the_site_says(tmp_path: Path) -> None:
    source = write_series(tmp_path)
    path = write_structures(tmp_path / "rs", [("tumour", [box(PLACES[2], -5, 5)]), ("liver", [])])
    empty = write_structures(tmp_path / "empty", [("tumour", []), ("liver", [])])

    unknown = labels_of(read(source, tmp_path, [path], empty="unknown"))

    assert set(np.unique(unknown)) == {2, 255}
    assert not labels_of(read(source, tmp_path, [empty], empty="background")).any()
    nothing = read(source, tmp_path, [empty], empty="unknown")
    assert isinstance(nothing, Refused)
    assert "its mask is empty" in nothing.reason


def test_another_frame_or_a_place_outside_is_refused(tmp_path: Path) -> None:
    source = write_series(tmp_path)
    outside = write_structures(tmp_path / "o", [("tumour", [box(300, -5, 5)])])
    unnamed = write_structures(tmp_path / "u", [])
    frame = write_structures(tmp_path / "f", [("tumour", [box(0, -5, 5)])], frame=OTHER_FRAME)

    told = ((outside, "outside the image"), (unnamed, "names no region"), (frame, "another frame"))
    for path, reason in told:
        answer = read(source, tmp_path, [path])
        assert isinstance(answer, Refused)
        assert reason in answer.reason


@pytest.mark.parametrize("thick_mm", [STEP, 2 * STEP])  # slices may overlap
def test_a_lone_slice_holds_what_lies_in_its_thickness(thick_mm: float, tmp_path: Path) -> None:
    source = write_series(tmp_path, SliceThickness=thick_mm)
    shift = 0.7
    boxes = [box(PLACES[i] + shift, -5, 5) for i in (3, 4)]
    path = write_structures(tmp_path / "rs", [("tumour", boxes)])
    frames = [(2, first_pixel(PLACES[i] + shift), SQUARE) for i in (3, 4)]
    seg = write_seg(tmp_path / "seg", frames, {2: "tumour"})
    plan = Images.model_validate({"modality": ["CT"], "size": SIDE})
    for i in range(2, 6):
        one = Source((source.rows[i],))
        for mask in (path, seg):
            labels = labels_of(read(one, tmp_path, [mask], plan))
            np.testing.assert_array_equal(labels, 2 * SQUARE if i in (3, 4) else 0 * SQUARE)


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_frame_of_reference_is_one_in_small_letters_too(tmp_path: Path) -> None:
    source = write_series(tmp_path, FrameOfReferenceUID="1.2.abc")
    path = write_structures(tmp_path / "rs", [("tumour", [box(0, -5, 5)])], frame="1.2.abc")

    assert (labels_of(read(source, tmp_path, [path])) == 2).sum() == 100


SAGITTAL = np.array([(0.0, y, z) for y, z in [(-5, -10), (5, -10), (5, 10), (-5, 10)]])


@pytest.mark.parametrize(
    "contour", [SAGITTAL, ("OPEN_PLANAR", box(PLACES[3], -5, 5)), box(PLACES[3], -5, 5)[:2]]
)
def test_a_region_of_which_nothing_can_be_drawn_is_not_background(
    contour: np.ndarray | tuple[str, np.ndarray], tmp_path: Path
) -> None:
    source = write_series(tmp_path)
    regions = [("tumour", [contour]), ("liver", [box(PLACES[8], -5, 5)])]
    path = write_structures(tmp_path / "rs", regions)
    plan = Images.model_validate({"modality": ["CT"], "size": SIDE})

    volume = read(source, tmp_path, [path])
    met = read(Source((source.rows[3],)), tmp_path, [path], plan)
    other = read(Source((source.rows[8],)), tmp_path, [path], plan)

    for answer in (volume, met):
        assert isinstance(answer, Refused)
        assert "no contour of a region can be drawn" in answer.reason
    np.testing.assert_array_equal(labels_of(other), SQUARE)


def test_ten_thousand_contours_take_seconds(tmp_path: Path) -> None:
    source = write_series(tmp_path)
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    contours = [circle * (1 + 5 * i / 10_000) + [0, 0, PLACES[i % N]] for i in range(10_000)]
    path = write_structures(tmp_path / "rs", [("tumour", [])])
    add_contours(path, contours)
    began = time.perf_counter()

    labels_of(read(source, tmp_path, [path]))

    assert time.perf_counter() - began < 30  # 3 s where nothing else runs


def add_contours(path: Path, contours: list[np.ndarray]) -> None:
    """Put contours at the end of a file that has none: pydicom takes a minute to write so many."""
    dataset = dcmread(path)
    del dataset.ROIContourSequence
    dataset.save_as(path)
    items = b"".join(
        _item(_short(0x42, b"CS", b"CLOSED_PLANAR ") + _short(0x50, b"DS", _numbers(points)))
        for points in contours
    )
    region = _item(_sequence(0x40, items) + _short(0x84, b"IS", b"1 "))
    with path.open("ab") as file:
        file.write(_sequence(0x39, region))


def _numbers(points: np.ndarray) -> bytes:
    text = "\\".join(f"{mm:.3f}" for mm in points.ravel())
    return (text + " " * (len(text) % 2)).encode()


def _short(element: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", 0x3006, element, vr, len(value)) + value


def _sequence(element: int, value: bytes) -> bytes:
    return struct.pack("<HH2sHI", 0x3006, element, b"SQ", 0, len(value)) + value


def _item(value: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value
