"""A candidate's patch is right whatever way the slices are stored."""

from pathlib import Path

import numpy as np
import pytest
from tests.unit.client.candidates import (
    ACROSS,
    BALL,
    DOWN,
    FIRST,
    SLICES,
    STEP,
    N,
    files_of,
    images,
    write_ct,
)
from tests.unit.client.test_series import AXIAL, FEET_FIRST, UPSIDE_DOWN

from medfl_client.data.dicom.patch import OUTSIDE, read_patch
from medfl_common.errors import DataError


@pytest.mark.parametrize("orientation", [AXIAL, FEET_FIRST, UPSIDE_DOWN])
def test_the_ball_is_in_the_middle_whatever_the_direction_and_the_order(
    orientation: tuple[float, ...], tmp_path: Path
) -> None:
    paths = write_ct(tmp_path / "a", "1.2.3", "P", orientation=orientation)

    odd = read_patch(files_of(paths), images(), BALL)
    even = read_patch(files_of(paths), images(size=16, depth=8), BALL)

    assert odd.shape == (1, 9, 17, 17)
    assert np.unravel_index(odd[0].argmax(), odd.shape[1:]) == (4, 8, 8)
    above = np.clip(even[0] - 0.22, 0, None)
    for axis, n in enumerate(even.shape[1:]):
        places = np.moveaxis(above, axis, 0).reshape(n, -1).sum(axis=1)
        assert np.average(np.arange(n), weights=places) == pytest.approx((n - 1) / 2, abs=0.1)


def test_a_patch_is_the_body_around_its_position(tmp_path: Path) -> None:
    other = (BALL[0] + 5, BALL[1] - 4, BALL[2] + 6)  # to the left, the front and the head
    patches = []
    for i, orientation in enumerate((AXIAL, FEET_FIRST, UPSIDE_DOWN)):
        paths = write_ct(tmp_path / f"{i}", "1.2.3", "P", (other,), orientation)
        patches.append(read_patch(files_of(paths), images(), BALL)[0])

    # head: later slices; front: earlier rows; left: later columns
    assert np.unravel_index(patches[0].argmax(), (9, 17, 17)) == (4 + 3, 8 - 4, 8 + 5)
    assert all(np.allclose(patches[0], same, atol=1e-5) for same in patches[1:])


def test_what_lies_beyond_the_volume_is_black(tmp_path: Path) -> None:
    paths = write_ct(tmp_path / "a", "1.2.3", "P")
    corner = (float(FIRST[0]), float(FIRST[1]), float(FIRST[2]))

    found = read_patch(files_of(paths), images(), corner)[0]

    is_black = found == 0
    assert is_black[:4].all()  # 2 mm and more below the first slice, which is 2.5 mm thick
    assert is_black[:, :8].all()
    assert is_black[:, :, :8].all()
    assert not is_black[4:, 8:, 8:].any()


def test_a_position_in_the_outermost_voxel_is_inside_and_one_beyond_is_not(tmp_path: Path) -> None:
    files = files_of(write_ct(tmp_path / "a", "1.2.3", "P"))
    last = FIRST + (np.array([N, N, SLICES]) - 0.6) * [ACROSS, DOWN, STEP]

    read_patch(files, images(), (float(last[0]), float(last[1]), float(last[2])))
    for axis, step in enumerate((ACROSS, DOWN, STEP)):
        beyond = [float(value) for value in last]
        beyond[axis] += 0.2 * step
        with pytest.raises(DataError, match=OUTSIDE):
            read_patch(files, images(), (beyond[0], beyond[1], beyond[2]))
