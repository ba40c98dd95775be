"""Outlines along the edges of pixels: filled by another program, they are the mask again."""

from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.unit.sim.mask_oracles import fill

from medfl_sim.data.contours import Holes, contours_of

RING = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=bool)


def test_a_pixel_has_its_four_corners() -> None:
    (corners,) = contours_of(np.ones((1, 1), dtype=bool), "apart")

    assert corners.tolist() == [[-0.5, -0.5], [-0.5, 0.5], [0.5, 0.5], [0.5, -0.5]]


def test_a_hole_is_a_polygon_of_its_own_or_a_cut_leads_to_it() -> None:
    assert [len(polygon) for polygon in contours_of(RING, "apart")] == [4, 4]
    (joined,) = contours_of(RING, "keyhole")
    assert len(joined) == 4 + 4 + 2  # the cut begins on the edge and meets the hole's corner twice


@pytest.mark.parametrize("holes", get_args(Holes))
def test_nothing_has_no_outline(holes: Holes) -> None:
    assert contours_of(np.zeros((3, 4), dtype=bool), holes) == []


@pytest.mark.parametrize("holes", get_args(Holes))
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_filled_polygons_are_the_mask(share: float, holes: Holes) -> None:
    rng = np.random.default_rng([int(10 * share)])
    for _ in range(20):
        mask: NDArray[np.bool_] = rng.random((13, 17)) < share

        assert np.array_equal(fill(contours_of(mask, holes), mask.shape), mask)


def test_with_keyholes_each_island_is_one_polygon() -> None:
    from scipy import ndimage

    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = rng.random((15, 15)) < 0.7

        assert len(contours_of(mask, "keyhole")) == ndimage.label(mask)[1]
