"""No bin of boxes tells of a few images: alone, by what it leaves out, or by another answer."""

from dataclasses import replace

import numpy as np
import pytest
from tests.boxes import box_plan, hits_only, some_boxes

from medfl_client.config.site_file import Policy
from medfl_client.egress.box_rules import released_boxes
from medfl_client.egress.guard import release
from medfl_client.egress.inspection import inspect
from medfl_common.errors import DisclosureError
from medfl_common.metrics.box_counts import (
    N_BOX_BINS,
    N_COARSE_BOX_BINS,
    OVERLAP,
    count_found,
)
from medfl_common.wire.results import TrainResult, plan_number
from medfl_common.wire.tasks import TrainTask

PLAN = box_plan()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("min_cell", [2, 10, 25])
def test_no_bin_has_few_images_or_one_with_most_of_its_boxes(seed: int, min_cell: int) -> None:
    rng = np.random.default_rng(seed)
    counts = some_boxes(int(rng.integers(20, 60)), seed)
    assert counts.found is not None

    found = released_boxes(counts, min_cell, is_scoring=bool(seed % 2))

    if found is None:
        return
    width = 1 if seed % 2 else N_BOX_BINS // N_COARSE_BOX_BINS
    for k in range(2):
        left = counts.found.by_image(k)[:, ::-1]  # the surest first
        for place in np.flatnonzero(found.behind[k])[::-1]:
            total, n = int((found.hits + found.extra)[k, OVERLAP, place]), 0
            while left[:, : n * width].sum() < total:
                n += 1
            cell, left = left[:, : n * width].sum(axis=1), left[:, n * width :]
            assert cell.sum() == total
            assert (cell > 0).sum() == found.behind[k, place] >= min_cell
            assert cell.max() <= total / 2
            assert counts.images[k].sum() - (cell > 0).sum() not in range(1, min_cell)


@pytest.mark.parametrize("n_drawn", [0, 1, 9])
def test_one_image_with_a_box_flips_nothing_that_leaves(n_drawn: int) -> None:
    rows = hits_only(15, 15).found
    assert rows is not None
    keep = (rows.kind == 1) | (rows.image < n_drawn)
    few = replace(
        rows, image=rows.image[keep], kind=rows.kind[keep], bins=rows.bins[keep],
        outcome=rows.outcome[keep],
    )  # fmt: skip

    found = released_boxes(count_found(few, 0.5), 10, is_scoring=True)

    assert found is not None
    assert found.images[0].tolist() == [15, 15]
    assert found.truths[0] == 15
    assert not found.behind[0].any()
    assert not found.effects[0].any()


def test_boxes_of_all_images_but_one_do_not_leave() -> None:
    without = hits_only(20, 10, dict.fromkeys(range(29), 2))
    in_all = hits_only(20, 10, dict.fromkeys(range(30), 2))

    one, whole = (released_boxes(c, 10, is_scoring=True) for c in (without, in_all))

    assert one is not None
    assert whole is not None
    assert one.behind[0].sum() == 20  # those of the surer bin, which 10 images lack
    assert sorted(whole.behind[0][whole.behind[0] > 0]) == [20, 30]


@pytest.mark.parametrize("seed", range(10))
def test_the_bins_of_the_last_scoring_are_within_those_of_a_round(seed: int) -> None:
    """Subtracted, the two answers on one model tell no more than the finer one."""
    counts = some_boxes(60, seed)
    coarse, fine = (released_boxes(counts, 10, is_scoring) for is_scoring in (False, True))
    assert coarse is not None
    assert fine is not None

    for k in range(2):
        for name in ("hits", "extra"):
            ends = [np.cumsum(getattr(one, name)[k, :, ::-1], axis=1).T for one in (coarse, fine)]
            few, many = ({tuple(row) for row in rows.tolist()} for rows in ends)
            assert few <= many


def test_the_last_look_finds_the_few_images_that_a_bin_leaves_out() -> None:
    loose = hits_only(20, 10, dict.fromkeys(range(29), 2))
    own = TrainResult(plan_number(PLAN), 1, 99, box_counts=loose)
    task = TrainTask("evaluate", "0" * 32, 1, 99, "north", PLAN, {})
    content = release(own, task, Policy(min_cell=1), {})

    inspect(content, PLAN, {}, Policy(min_cell=1))
    with pytest.raises(DisclosureError, match="all images but few"):
        inspect(content, PLAN, {}, Policy(min_cell=10))
    content.metric_records["numbers"]["box_effects"][0] = 149  # type: ignore[index]
    with pytest.raises(DisclosureError, match="finer than their steps"):
        inspect(content, PLAN, {}, Policy(min_cell=1))
