"""A box goes where its image goes: to half a pixel, whatever the spacing, direction and crop."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from tests.unit.client.pixel_files import images, write
from tests.unit.client.test_series import AXIAL, FEET_FIRST, UPSIDE_DOWN, write_slice

from medfl_client.data.boxes.field import SHEARED, Field, field_of
from medfl_client.data.boxes.listed import Box
from medfl_client.data.boxes.places import in_input
from medfl_client.data.dicom.pixels import load_image
from medfl_client.data.dicom.series import read_volume
from medfl_client.data.masks.content import NO_PLACE
from medfl_client.data.masks.grid import Grid
from medfl_client.data.masks.headers import image_grid, volume_grid
from medfl_common.errors import DataError
from medfl_common.plan.images import Images

SAGITTAL = (0, 1, 0, 0, 0, -1)
CORONAL = (1, 0, 0, 0, 0, -1)
OBLIQUE = (0.8, 0.6, 0, -0.6, 0.8, 0)
WINDOW = {"intensity": {"rule": "fixed", "centre": 500, "width": 1000}}
Floats = np.ndarray


def found_in(picture: Floats) -> tuple[Floats, Floats]:
    """Measure what is bright in a picture, along each axis: its centre and its side."""
    centre, side = [], []
    for axis in range(picture.ndim):
        profile = picture.max(axis=tuple(a for a in range(picture.ndim) if a != axis))
        profile = profile / profile.max()
        places = np.arange(len(profile)) + 0.5
        centre.append((profile * places).sum() / profile.sum())
        side.append(profile.sum())
    return np.array(centre), np.array(side)


@pytest.mark.parametrize("seed", range(16))
def test_a_bright_rectangle_and_its_box_agree_in_the_input(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = (int(n) for n in rng.integers(60, 400, 2))
    y0, x0 = (int(rng.integers(n // 3, n // 2)) for n in (height, width))
    y1, x1 = y0 + int(rng.integers(8, height // 3)), x0 + int(rng.integers(8, width // 3))
    is_dark = seed % 4 == 3  # MONOCHROME1: what is drawn dark is shown bright
    pixels = np.full((height, width), 1000 if is_dark else 0, dtype=np.int16)
    pixels[y0:y1, x0:x1] = 0 if is_dark else 1000
    spacing = [0.3, 0.3 if seed % 3 else 0.45]
    path = write(tmp_path / "a.dcm", pixels, PixelSpacing=spacing,
                 PhotometricInterpretation=f"MONOCHROME{1 if is_dark else 2}")  # fmt: skip
    # the centre is cropped out of what is large, what is small is padded
    size = int(rng.integers(64, 200))
    mm = {"spacing_mm": float(max(height, width) * 0.25 / size)} if seed % 2 else {}
    plan = images(size=size, **mm, **WINDOW)

    field = field_of(image_grid(path, 0), plan)
    (box,) = in_input([Box(0, (y0, x0, y1, x1))], field, [])

    centre, side = found_in(load_image(path, plan)[0])
    inside = (box[1:3] - box[3:] / 2 > 1) & (box[1:3] + box[3:] / 2 < size - 1)
    np.testing.assert_allclose(box[1:3][inside], centre[inside], atol=0.5)
    np.testing.assert_allclose(box[3:][inside], side[inside], atol=0.75)


def whole(ones: Floats) -> np.ndarray:
    """Say which places are made of the image alone, and their neighbours too."""
    inner = np.pad(ones > 1 - 1e-5, 2)
    for axis in range(inner.ndim):
        inner = inner & np.roll(inner, 2, axis) & np.roll(inner, -2, axis)
    return np.asarray(inner[(slice(2, -2),) * inner.ndim])


def worst(grid: Grid, plan: Images, ramps: Floats, field: Field) -> float:
    """Send coordinates (n, D, H, W) through the pixels' own resampling; compare, in pixels."""
    low, high = ramps.min(), ramps.max()
    sent = [grid.resampled((one - low) / (high - low), plan) for one in ramps]
    inner = whole(grid.resampled(np.ones(grid.shape, np.float32), plan))
    assert inner.sum() > 50
    points = np.stack([one[inner] for one in sent]) * (high - low) + low
    expected = np.stack(np.nonzero(inner)) + 0.5
    moved = field.matrix[:, :-1] @ points + field.matrix[:, -1:]
    return float(np.abs(moved - expected).max())


@pytest.mark.parametrize("seed", range(8))
def test_of_an_image_coordinates_that_go_its_way_say_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = (int(n) for n in rng.integers(40, 300, 2))
    facts = Dataset()
    facts.PixelSpacing = [0.7, float(rng.choice([0.7, 0.9]))]
    grid = Grid((1, height, width), facts)
    plan = images(size=96, **({"spacing_mm": 0.8} if seed % 2 else {}))
    y, x = np.mgrid[:height, :width] + 0.5

    assert worst(grid, plan, np.stack([y, x])[:, None], field_of(grid, plan)) < 0.15


def volume(folder: Path, seed: int, tilt: float = 0.0) -> tuple[Grid, Floats]:
    """Write 12 slices of 40 x 40 pixels that lie in a direction; give grid and coordinates."""
    ways = (AXIAL, FEET_FIRST, UPSIDE_DOWN, SAGITTAL, CORONAL, OBLIQUE)
    row, column = np.split(np.array(ways[seed % len(ways)], float), 2)
    normal = np.cross(row, column)
    spacing = [0.8, 1.1] if seed % 2 else [1.0, 1.0]
    for k in range(12):
        first = -20 * (row + column) + (normal + tilt * column) * (k - 5) * 3.0 + [30, -40, 50]
        write_slice(folder / f"{k}.dcm", 0.0, tuple(ways[seed % len(ways)]), 40,
                    SOPInstanceUID=f"1.9.{k}", PixelSpacing=spacing,
                    ImagePositionPatient=[float(mm) for mm in first])  # fmt: skip
    grid = volume_grid(sorted(folder.glob("*.dcm")))
    assert grid.plane is not None
    down, across = (np.arange(40)[:, None] * mm for mm in spacing)
    slices = [
        origin + (down * grid.plane.column)[:, None] + (across * grid.plane.row)[None]
        for origin in grid.plane.origins
    ]
    return grid, np.moveaxis(np.stack(slices), -1, 0)


VOLUMES = {"sample": "series", "dimensions": 3}
FITTED = {**VOLUMES, "size": 32, "depth": 16}
SPACED = {**VOLUMES, "size": 36, "depth": 24, "spacing_mm": 1.2, "slice_mm": 2.0}
CROPPED = {**SPACED, "spacing_mm": 0.6, "slice_mm": 1.0}
OWN_SIZE = {**SPACED, "size": 128, "depth": 64, "patch": {"size": 16, "depth": 8}}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("tilt", [0.0, 0.2])
def test_of_a_volume_millimetres_that_go_its_way_say_the_same(
    tmp_path: Path, seed: int, tilt: float
) -> None:
    grid, ramps = volume(tmp_path, seed, tilt)
    for plan in (images(**changes) for changes in (FITTED, SPACED, CROPPED, OWN_SIZE)):
        field = field_of(grid, plan)

        assert tuple(field.sides) == grid.resampled(np.ones(grid.shape), plan).shape
        assert worst(grid, plan, ramps, field) < 0.3


@pytest.mark.parametrize("seed", range(6))
def test_a_bright_cube_and_its_candidate_agree_in_the_input(tmp_path: Path, seed: int) -> None:
    grid, ramps = volume(tmp_path, seed)
    low = np.array([30.0, -40.0, 50.0]) - 4  # a cube of 9 mm around a place in the patient
    for k, path in enumerate(sorted(tmp_path.glob("*.dcm"), key=lambda p: int(p.stem))):
        origin = grid.sops.index(f"1.9.{k}")
        inside = ((ramps[:, origin] > low[:, None, None]) &
                  (ramps[:, origin] < low[:, None, None] + 9)).all(axis=0)  # fmt: skip
        tags = {name: getattr(path_facts(path), name) for name in
                ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")}  # fmt: skip
        write_slice(path, 0.0, AXIAL, 40, SOPInstanceUID=f"1.9.{k}", **tags,
                    PixelData=(inside * 1000).astype(np.int16).tobytes())  # fmt: skip
    plan = images(**SPACED, **WINDOW)

    field = field_of(volume_grid(sorted(tmp_path.glob("*.dcm"))), plan)
    (box,) = in_input([Box(0, (*(low + 4.5), 9.0))], field, [])

    centre, _ = found_in(read_volume(sorted(tmp_path.glob("*.dcm")), plan)[0])
    np.testing.assert_allclose(box[1:4], centre, atol=0.75)  # the voxels are as large
    np.testing.assert_allclose(box[4:] * [2.0, 1.2, 1.2], np.full(3, 9.0), rtol=0.02)


def path_facts(path: Path) -> Dataset:
    from pydicom import dcmread

    return dcmread(path, stop_before_pixels=True)


def test_what_says_no_place_or_has_crooked_axes_has_no_candidates(tmp_path: Path) -> None:
    grid, _ = volume(tmp_path, 0)
    plan = images(**SPACED)
    assert grid.plane is not None
    crooked = grid.plane.origins + np.outer(np.arange(12), [0.0, 1.0, 0.0])

    with pytest.raises(DataError, match=NO_PLACE):
        field_of(Grid(grid.shape, grid.facts, None, grid.layout), plan)
    plane = replace(grid.plane, origins=crooked)
    with pytest.raises(DataError, match=SHEARED):
        field_of(Grid(grid.shape, grid.facts, plane, grid.layout), plan)


def test_what_lies_beyond_the_crop_is_passed_over_and_what_it_cuts_is_clipped() -> None:
    facts = Dataset()
    facts.PixelSpacing = [1.0, 1.0]
    field = field_of(Grid((1, 100, 100), facts), images(size=40, spacing_mm=1.0))  # from 30 to 70
    notes: list[str] = []

    found = in_input([Box(1, (10, 10, 25, 25)), Box(0, (20, 40, 50, 50))], field, notes)

    assert found.tolist() == [[0, 10, 15, 20, 10]]
    assert len(notes) == 2
