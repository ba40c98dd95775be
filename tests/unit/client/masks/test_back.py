"""What a network outlines goes back to the image's own grid by the way that its image came."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from tests.unit.client.masks.mask_files import PLACES, SIDE, N, first_pixel, volume_of, write_series
from tests.unit.client.test_series import AXIAL, FEET_FIRST, UPSIDE_DOWN, volume_plan, write_slice

from medfl_client.data.masks.back import from_plan, part_seen
from medfl_client.data.masks.grid import Grid
from medfl_client.data.reader import DicomReader
from medfl_common.plan.images import Images

OBLIQUE = (0.8, 0.6, 0.0, -0.6, 0.8, 0.0)


def one_hot(labels: np.ndarray, n: int = 3) -> np.ndarray:
    return (labels[None] == np.arange(n).reshape(-1, *[1] * labels.ndim)).astype(np.float16)


def blobs(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Draw smooth regions of three classes; nothing at the edge."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(seed).normal(size=(3, *shape))
    labels = np.stack([gaussian_filter(one, 3) for one in noise]).argmax(axis=0).astype(np.uint8)
    inner = np.zeros(shape, dtype=bool)
    inner[tuple(slice(2, -2) for _ in shape)] = True
    return np.where(inner, labels, 0).astype(np.uint8)


def is_inner(labels: np.ndarray) -> np.ndarray:
    """Say which places have neighbours of their own class only, corners included."""
    from scipy.ndimage import maximum_filter, minimum_filter

    return maximum_filter(labels, 3) == minimum_filter(labels, 3)


def grid_of(folder: Path, orientation: tuple[float, ...]) -> Grid:
    return DicomReader().grid(folder, write_series(folder, orientation))


@pytest.mark.parametrize("orientation", [AXIAL, FEET_FIRST, UPSIDE_DOWN, OBLIQUE])
def test_on_the_same_voxels_the_way_back_is_exact_whatever_the_direction(
    orientation: tuple[float, ...], tmp_path: Path
) -> None:
    grid = grid_of(tmp_path, orientation)
    native = np.random.default_rng(1).integers(0, 3, grid.shape).astype(np.uint8)

    found = from_plan(one_hot(grid.to_plan(native, 3, volume_plan())), grid, volume_plan())

    np.testing.assert_array_equal(found, native)


@pytest.mark.parametrize("orientation", [AXIAL, FEET_FIRST, OBLIQUE])
@pytest.mark.parametrize(
    ("spacing", "between", "size", "depth"),
    [(1.0, 5.0, 24, 12), (0.5, 5.0, 32, 9), (0.7, 2.5, 26, 19), (0.5, 2.0, 20, 11)],
)
def test_there_and_back_only_voxels_at_a_border_change(
    orientation: tuple[float, ...],
    spacing: float,
    between: float,
    size: int,
    depth: int,
    tmp_path: Path,
) -> None:
    grid = grid_of(tmp_path, orientation)
    plan = volume_plan(size=size, depth=depth, spacing_mm=spacing, slice_mm=between)
    whole = grid.to_plan(np.ones(grid.shape, dtype=np.uint8), 2, plan) > 0
    labels = np.where(whole, blobs((depth, size, size), seed=2), 0).astype(np.uint8)

    again = grid.to_plan(from_plan(one_hot(labels), grid, plan), 3, plan)

    reach = is_inner(labels) & is_inner(whole.astype(np.uint8))
    assert (labels[reach] > 0).sum() > 40
    np.testing.assert_array_equal(again[reach], labels[reach])


def test_a_tilted_gantry_is_tilted_back(tmp_path: Path) -> None:
    native = np.zeros((N, SIDE, SIDE), dtype=np.uint8)
    for i, place in enumerate(PLACES):
        first = first_pixel(place) + np.array([0, place * 0.4, 0])
        native[i, np.abs(first[1] + np.arange(SIDE)) < 3.5] = 1  # a bar that stands still
        write_slice(tmp_path / f"{i}.dcm", place, ImagePositionPatient=first.tolist())
    grid = DicomReader().grid(tmp_path, volume_of(tmp_path))
    plan = volume_plan(size=60, depth=9, spacing_mm=0.8, slice_mm=5.0)
    fitted = volume_plan(size=40, depth=9)  # fitted: straightened, then made smaller

    for images in (plan, fitted):
        found = from_plan(one_hot(grid.to_plan(native, 2, images), 2), grid, images)

        inner = np.stack([is_inner(one) for one in native])
        assert native[inner].any()
        np.testing.assert_array_equal(found[inner], native[inner])


def test_what_the_plan_crops_is_background_and_told(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, AXIAL)  # 16 x 16 mm, 9 slices 5 mm apart
    plan = volume_plan(size=16, depth=9, spacing_mm=0.5, slice_mm=5.0)  # the middle 8 x 8 mm

    found = from_plan(one_hot(np.ones((9, 16, 16), dtype=np.uint8)), grid, plan)

    assert part_seen(grid, plan) == pytest.approx(0.25)
    assert (found[:, 5:11, 5:11] == 1).all()
    assert not found[:, :3].any()
    assert not found[:, :, 13:].any()


def test_an_image_of_two_dimensions_goes_back_from_its_square() -> None:
    native = np.zeros((1, 60, 40), dtype=np.uint8)
    native[0, 10:40, 6:30] = 2
    grid, plan = (
        Grid((1, 60, 40), Dataset()),
        Images.model_validate({"modality": ["DX"], "size": 30}),
    )

    found = from_plan(one_hot(grid.to_plan(native, 3, plan)), grid, plan)

    inner = is_inner(native[0])
    np.testing.assert_array_equal(found[0][inner], native[0][inner])
    assert part_seen(grid, plan) == 1.0
