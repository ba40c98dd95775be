"""Peaks of heat-maps as boxes, against a plain loop and torchvision."""

import itertools
import math

import numpy as np
import pytest
import torch
from tests.squares import VOLUMES, box_plan

from medfl_client.training.detections import found_in, suppressed
from medfl_common.plan.dense import MOST_PEAKS, SAME_BOX

Row = tuple[int, float, list[float]]


def random_maps(n: int, *lengths: int) -> torch.Tensor:
    maps = torch.randn((n, 2 + len(lengths), *lengths), generator=torch.Generator().manual_seed(5))
    maps[:, :2] *= 3
    maps[:, :2] = maps[:, :2].round() / 2  # many are alike
    return maps


def iou(one: list[float], other: list[float]) -> float:
    d = len(one) // 2
    both = 1.0
    for at, side, place, length in zip(one[:d], one[d:], other[:d], other[d:], strict=True):
        both *= max(
            min(at + side / 2, place + length / 2) - max(at - side / 2, place - length / 2), 0
        )
    return both / (math.prod(one[d:]) + math.prod(other[d:]) - both)


def by_loop(maps: torch.Tensor, n_classes: int) -> list[Row]:
    lengths, peaks = maps.shape[1:], []
    for own, *place in itertools.product(range(n_classes), *map(range, lengths)):
        near = [slice(max(at - 1, 0), at + 2) for at in place]
        value = float(maps[(own, *place)])
        if value == float(maps[own][tuple(near)].max()):
            low, high = [], []
            for axis, at in enumerate(place):
                side = math.exp(float(maps[(n_classes + axis, *place)]))
                low.append(max(at + 0.5 - side / 2, 0))
                high.append(min(at + 0.5 + side / 2, lengths[axis]))
            pairs = [*zip(low, high, strict=True)]
            peaks.append((own, value, [(a + b) / 2 for a, b in pairs] + [b - a for a, b in pairs]))
    peaks = sorted(peaks, key=lambda one: -one[1])
    peaks = [one for i, one in enumerate(peaks)
             if sum(other[0] == one[0] for other in peaks[:i]) < MOST_PEAKS]  # fmt: skip
    kept: list[Row] = []
    for own, value, box in peaks:
        if all(own != there or iou(box, other) <= SAME_BOX for there, _, other in kept):
            kept.append((own, value, box))
    return kept


@pytest.mark.parametrize("lengths", [(14, 17), (6, 9, 8)])
def test_it_is_what_a_plain_loop_gives_also_where_peaks_are_alike(lengths: tuple[int, ...]) -> None:
    plan = box_plan(images=VOLUMES if len(lengths) == 3 else {})
    maps = random_maps(2, *lengths)

    found, again = found_in(maps, plan), found_in(maps.clone(), plan)

    for one, other, own in zip(found, again, maps, strict=True):
        wanted = by_loop(own, 2)
        assert one.classes.tolist() == [k for k, _, _ in wanted]
        np.testing.assert_allclose(one.scores, [1 / (1 + math.exp(-v)) for _, v, _ in wanted], 1e-5)
        np.testing.assert_allclose(one.boxes, [box for _, _, box in wanted], rtol=1e-4, atol=1e-4)
        assert all(np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(),
                                                        strict=True))  # fmt: skip
        assert one.classes.dtype == np.int64
        assert one.scores.dtype == one.boxes.dtype == np.float32


def test_many_sure_boxes_of_a_class_crowd_out_none_of_another() -> None:
    maps = torch.full((1, 4, 64, 64), -8.0)
    maps[0, 0, ::4, ::4] = 3.0  # 256
    maps[0, 1, 30, 30] = 2.0
    maps[:, 2:] = math.log(3)

    (found,) = found_in(maps, box_plan())

    sure = found.classes[found.scores > 0.5]
    assert np.bincount(sure).tolist() == [MOST_PEAKS, 1]


def test_suppression_is_torchvisions() -> None:
    from torchvision.ops import batched_nms

    rng = np.random.default_rng(0)
    boxes = np.concatenate([rng.uniform(0, 40, (100, 2)), rng.uniform(5, 25, (100, 2))], axis=1)
    classes = rng.integers(0, 2, 100)
    corners = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)
    theirs = torch.from_numpy(corners[:, [1, 0, 3, 2]])
    scores = torch.linspace(1, 0, 100, dtype=torch.float64)

    kept = suppressed(classes, boxes.astype(np.float32))

    oracle = batched_nms(theirs, scores, torch.from_numpy(classes), SAME_BOX)
    assert kept.tolist() == oracle.tolist()
    assert len(kept) < 100


def test_nothing_there_is_nothing_sure_and_a_box_ends_with_its_image() -> None:
    plan = box_plan(task={"classes": ["only"]})
    maps = torch.full((1, 3, 20, 20), -8.0)
    maps[:, 1:] = 60.0  # sides beyond any number
    maps[0, 0, 3, 19] = 40.0

    (found,) = found_in(maps, plan)
    (of_none,) = found_in(maps * torch.nan, plan)

    assert len(of_none.boxes) == 0
    assert found.scores[0] == 1
    assert found.boxes[0].tolist() == [10.0, 10.0, 20.0, 20.0]
    assert (found.scores[1:] < 1e-3).all()
    assert (found.boxes[:, :2] + found.boxes[:, 2:] / 2).max() <= 20
