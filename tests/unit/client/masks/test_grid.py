"""The one way of image and mask: shares of classes, unknown voxels, tilted and odd series."""

import struct
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from tests.unit.client.masks.mask_files import (
    CLASSES,
    PLACES,
    SIDE,
    N,
    box,
    first_pixel,
    labels_of,
    read,
    row_of,
    volume_of,
    write_seg,
    write_series,
    write_structures,
)
from tests.unit.client.test_series import AXIAL, FEET_FIRST, volume_plan, write_slice

from medfl_client.config.mask_files import MaskFiles
from medfl_client.config.site_file import DataFiles
from medfl_client.data.dicom.series import read_volume
from medfl_client.data.masks.grid import Grid
from medfl_client.data.masks.names import UnmappedNamesError, class_of, refuse_names
from medfl_client.data.masks.work import MaskJob, mask_work
from medfl_client.data.reader import DicomReader, Source
from medfl_client.data.selection import sources_of
from medfl_common.errors import DataError
from medfl_common.plan.images import Images
from medfl_common.plan.plan import Plan


def test_the_largest_share_of_a_pixel_counts_and_unknown_is_a_class_of_its_own() -> None:
    # two rows of blocks of 4 x 4 pixels; each block becomes a pixel
    labels = np.zeros((1, 64, 64), dtype=np.uint8)
    for i, parts in enumerate(([1, 1, 1, 0], [1, 2, 2, 0], [255, 255, 255, 2], [1, 2, 255, 255])):
        labels[0, :, 16 * i : 16 * i + 16] = np.repeat(parts, 4)
    grid = Grid((1, 64, 64), Dataset())
    plan = Images.model_validate({"modality": ["DX"], "size": 16})

    found = grid.to_plan(labels, 3, plan)

    expected = np.repeat([1, 1, 1, 0, 1, 2, 2, 0, 255, 255, 255, 2, 1, 2, 255, 255], 1)
    np.testing.assert_array_equal(found, np.tile(expected, (16, 1)))


def test_beyond_the_image_is_background_even_where_all_of_it_is_unknown() -> None:
    grid = Grid((1, 32, 16), Dataset())
    plan = Images.model_validate({"modality": ["DX"], "size": 32})

    found = grid.to_plan(np.full((1, 32, 16), 255, dtype=np.uint8), 2, plan)

    assert (found[:, 8:24] == 255).all()
    assert not found[:, :8].any()


def test_a_mask_under_a_tilted_gantry_is_straightened_with_its_image(tmp_path: Path) -> None:
    frames = []
    for i, place in enumerate(PLACES):
        first = first_pixel(place) + np.array([0, place * 0.4, 0])
        pixels = np.zeros((SIDE, SIDE), dtype=np.int16)
        y = first[1] + np.arange(SIDE)
        pixels[np.abs(y) < 3] = 400  # a bar that stands still in the patient
        path = write_slice(tmp_path / f"{i}.dcm", place, SOPInstanceUID=f"1.9.{i}",
                           FrameOfReferenceUID="1.2.3.4", PixelData=pixels.tobytes(),
                           ImagePositionPatient=[float(mm) for mm in first])  # fmt: skip
        frames.append((1, first, (pixels > 200).astype(np.uint8)))
        assert path.exists()
    source, path = volume_of(tmp_path), write_seg(tmp_path / "seg", frames)
    plan = volume_plan(size=40, depth=9, spacing_mm=0.8, slice_mm=5.0)

    labels = labels_of(read(source, tmp_path, [path], plan))

    volume = read_volume([tmp_path / row.path for row in source.rows], plan)[0]
    is_sure = np.abs(volume - 0.7) > 0.1  # 400 of -500 to 500 is 0.9, 0 is 0.5
    assert labels.any()
    np.testing.assert_array_equal(labels[is_sure], (volume > 0.7)[is_sure])


def test_two_classes_move_with_their_image_and_do_not_grow(tmp_path: Path) -> None:
    source = write_series(tmp_path)
    regions = [
        ("liver", [box(place, -6, 0) for place in PLACES[2:7]]),
        ("tumour", [box(place, 1, 6) for place in PLACES[2:7]]),
    ]
    path = write_structures(tmp_path / "rs", regions)
    plan = volume_plan(size=40, depth=20, spacing_mm=0.5, slice_mm=2.5)

    labels = labels_of(read(source, tmp_path, [path], plan))

    # 6 pixels of 1 mm each way, 5 slices of 5 mm
    for label, n_pixels in ((1, 36), (2, 25)):
        ml = (labels == label).sum() * 0.5 * 0.5 * 2.5 / 1000
        assert ml == pytest.approx(n_pixels * 25 / 1000, rel=0.15)


def test_names_follow_the_first_pattern_that_fits() -> None:
    rules = MaskFiles(names={"GTV?": "tumour", "GTV*": "ignore", "liver": "background"})
    classes = ("background", "liver", "tumour")

    meant = [class_of(name, classes, rules) for name in ("GTV1", "GTV12", "liver", "tumour", "x")]

    assert meant == ["tumour", "ignore", "background", "tumour", None]
    with pytest.raises(UnmappedNamesError, match=r"'a' \(1 x\), 'b' \(2 x\)"):
        refuse_names(["b", "a", "b"], classes)


def test_a_rule_for_a_class_that_no_plan_has_is_refused(tmp_path: Path) -> None:
    rules = MaskFiles(names={"GTV": "tumor"})

    with pytest.raises(DataError, match="'tumor', which is no class"):
        mask_work(DicomReader(), tmp_path, tmp_path, volume_plan(), ("background",), rules)


def test_other_plans_leave_annotations_out_by_their_modality(plan: Plan, tmp_path: Path) -> None:
    rs = write_structures(tmp_path / "rs", [("liver", [box(0, -1, 1)])])
    seg = write_seg(tmp_path / "seg", [(1, first_pixel(0), np.ones((SIDE, SIDE)))])

    sources, refused = sources_of(
        [row_of(path, tmp_path) for path in (rs, seg)],
        DataFiles(folder=".", labels_from="masks"),
        plan,
        tmp_path,
    )

    assert not sources
    assert refused == {
        "rs": "modality RTSTRUCT: not in the plan", "seg": "modality SEG: not in the plan",
    }  # fmt: skip


def test_the_grid_of_a_volume_is_the_one_of_its_slices(tmp_path: Path) -> None:
    source = write_series(tmp_path, AXIAL)

    grid = DicomReader().grid(tmp_path, source)

    assert grid.shape == (N, SIDE, SIDE)
    assert grid.plane is not None
    np.testing.assert_allclose(grid.plane.places, PLACES)
    np.testing.assert_allclose(grid.plane.origins[0], first_pixel(PLACES[0]))
    assert grid.sops == tuple(f"1.9.{i}" for i in range(N))
    np.testing.assert_allclose(grid.voxel_ml(), 0.005)


def test_uneven_slices_lie_at_their_places_in_both_directions(tmp_path: Path) -> None:
    places = [-20.0, -14.0, -9.0, -5.0, 0.0, 4.0, 8.0, 12.0, 16.0]
    shown = []
    for name, orientation in (("head", AXIAL), ("feet", FEET_FIRST)):
        for i, place in enumerate(places):
            write_slice(tmp_path / name / f"{i}.dcm", place, orientation)
        source = volume_of(tmp_path / name)
        plan = volume_plan(size=16, depth=9)
        shown.append(read_volume([tmp_path / name / row.path for row in source.rows], plan))

    np.testing.assert_allclose(shown[0], shown[1], atol=1e-3)


def answer(words: bytes, ml: float, label: int) -> memoryview:
    volumes = np.full(3, ml).tobytes()
    labels = np.full(16 * 16, label, dtype=np.uint8).tobytes()
    return memoryview(struct.pack("<I", len(words)) + words + volumes + labels)


def test_what_a_worker_answers_is_checked_and_never_run(tmp_path: Path) -> None:
    plan = Images.model_validate({"modality": ["DX"], "size": 16})
    work = mask_work(DicomReader(), tmp_path, tmp_path, plan, CLASSES, MaskFiles())
    job, good = MaskJob(Source(()), ()), b'[["a note"], [], ["GTV"]]'

    assert work.accept(job, answer(good, 1.0, 2)).notes == ("a note",)
    for bad in (
        answer(good, 1.0, 3),
        answer(good, -1.0, 2),
        answer(b'[["a note"], [7], []]', 1.0, 2),
        answer(b"[[], [], [], []]", 1.0, 2),
        answer(good, 1.0, 2)[:-1],
        answer(good[:-1], 1.0, 2),
    ):
        with pytest.raises(ValueError, match=r"answer|words|labels|Expecting|unpack"):
            work.accept(job, bad)
