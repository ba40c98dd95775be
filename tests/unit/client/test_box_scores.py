import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from tests.boxes import box_plan, drawn_image, found_of

from medfl_client.data.boxed import padded_boxes
from medfl_client.data.dataset import BoxedImages
from medfl_client.training import box_scores
from medfl_client.training.box_matching import match_by_centre, match_by_overlap, overlap
from medfl_client.training.box_scores import count_boxes, loss_on_boxes, match_image
from medfl_client.training.detections import Found
from medfl_common.metrics.box_counts import (
    AGAIN,
    CENTRE,
    EXTRA,
    HIT,
    OVERLAP,
    UNKNOWN,
    WITH,
    score_bins,
)

CPU = torch.device("cpu")


def outcomes(found: Found, truths: list[list[float]]) -> tuple[list[int], list[int]]:
    rows = match_image(found, np.array(truths, dtype=float).reshape(-1, 1 + found.boxes.shape[1]))
    return rows[:, 3].tolist(), rows[:, 4].tolist()


def test_boxes_overlap_as_a_hand_computes() -> None:
    one = np.array([[5.0, 5.0, 10.0, 10.0]])

    assert overlap(one, np.array([[5.0, 10.0, 10.0, 10.0]])) == pytest.approx(50 / 150)
    assert overlap(one, np.array([[5.0, 5.0, 5.0, 10.0]])) == pytest.approx(0.5)
    assert overlap(one, np.array([[30.0, 5.0, 10.0, 10.0]])) == 0
    solid = np.array([[5.0, 5.0, 5.0, 10.0, 10.0, 10.0]])
    moved = np.array([[10.0, 5.0, 5.0, 10.0, 10.0, 10.0]])
    assert overlap(solid, moved) == pytest.approx(500 / 1500)


def test_a_second_box_on_a_true_one_is_false_for_the_precision_and_nothing_for_the_froc() -> None:
    truth = [[0, 10, 10, 8, 8]]
    found = found_of([0.9, 0.8, 0.7], [[10, 10, 8, 8], [11, 10, 8, 8], [40, 40, 8, 8]])

    assert outcomes(found, truth) == ([HIT, EXTRA, EXTRA], [HIT, AGAIN, EXTRA])


def test_a_box_of_another_size_is_found_by_its_centre_alone() -> None:
    found = found_of([0.9], [[12, 10, 2, 2]])

    assert outcomes(found, [[0, 10, 10, 8, 8]]) == ([EXTRA], [HIT])
    assert outcomes(found, [[1, 10, 10, 8, 8]]) == ([EXTRA], [EXTRA])  # of another class


def test_a_centre_counts_within_the_box_of_a_plane_and_the_ellipsoid_of_a_volume() -> None:
    corner = [[1.0, 1.0, 1.0, 1.0]]
    assert match_by_centre(np.array(corner), np.array([[0.0, 0, 2, 2]])).tolist() == [HIT]
    beside = np.array([[1.01, 0.0, 1.0, 1.0]])
    assert match_by_centre(beside, np.array([[0.0, 0, 2, 2]])).tolist() == [EXTRA]

    solid = np.array([[0.0, 0, 0, 4, 2, 2]])  # half axes 2, 1, 1
    inside = np.array([[1.9, 0.0, 0.2, 1, 1, 1]])
    outside = np.array([[1.9, 0.9, 0.2, 1, 1, 1]])  # in the box
    assert match_by_centre(inside, solid).tolist() == [HIT]
    assert match_by_centre(outside, solid).tolist() == [EXTRA]


def test_each_true_box_is_taken_once_by_the_surest() -> None:
    truths = [[0, 10, 10, 8, 8], [0, 10, 12, 8, 8]]
    # the first fits the second truth best; the next, which fits it too, takes the other
    found = found_of([0.9, 0.8, 0.7], [[10, 12, 8, 8], [10, 11.5, 8, 8], [10, 11, 8, 8]])

    assert outcomes(found, truths) == ([HIT, HIT, EXTRA], [HIT, HIT, AGAIN])


def test_the_order_of_boxes_with_equal_scores_changes_nothing() -> None:
    boxes = [[10, 10, 8, 8], [10, 12, 8, 8], [30, 30, 4, 4], [10, 11, 8, 8]]
    truths = [[0, 10, 10.5, 8, 8]]
    counted = set()
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        found = found_of([0.5] * 4, [boxes[i] for i in order])
        counted.add(str(outcomes(found, truths)))

    assert len(counted) == 1


def greedy(
    found: np.ndarray, truths: np.ndarray, fits: Callable[[np.ndarray, np.ndarray], float],
    otherwise: int,
) -> list[int]:  # fmt: skip
    """Match box by box in plain loops; `fits` is how well, or nothing below 0."""
    left, outcome = list(range(len(truths))), []
    for box in found:
        worth = {t: fits(box, truths[t]) for t in left}
        best = max(worth, key=lambda t: worth[t], default=None)
        if best is not None and worth[best] >= 0:
            left.remove(best)
            outcome.append(HIT)
        else:
            taken = any(fits(box, truth) >= 0 for truth in truths)
            outcome.append(otherwise if taken else EXTRA)
    return outcome


def iou(one: np.ndarray, other: np.ndarray) -> float:
    d, both = len(one) // 2, 1.0
    for i in range(d):
        low = max(one[i] - one[d + i] / 2, other[i] - other[d + i] / 2)
        high = min(one[i] + one[d + i] / 2, other[i] + other[d + i] / 2)
        both *= max(high - low, 0.0)
    share = both / (np.prod(one[d:]) + np.prod(other[d:]) - both)
    return share if share >= 0.5 else -1.0


def nearness(one: np.ndarray, other: np.ndarray) -> float:
    d = len(one) // 2
    apart = [abs(one[i] - other[i]) / (other[d + i] / 2) for i in range(d)]
    far = max(apart) if d == 2 else sum(a * a for a in apart) ** 0.5
    return 2 - far if far <= 1 else -1.0


@pytest.mark.parametrize("d", [2, 3])
def test_matching_is_that_of_plain_loops(d: int) -> None:
    rng = np.random.default_rng(d)
    for _ in range(60):
        found, truths = drawn_image(rng, d=d, n_classes=1)
        # one more true box on each, so that boxes compete
        near = truths[:, 1:] + rng.normal(0, 2, (len(truths), 2 * d)) * ([1] * d + [0] * d)
        true = np.concatenate([truths[:, 1:], near])
        boxes = found.boxes.astype(float)

        assert match_by_overlap(boxes, true).tolist() == greedy(boxes, true, iou, EXTRA)
        assert match_by_centre(boxes, true).tolist() == greedy(boxes, true, nearness, AGAIN)


def test_a_thousand_boxes_against_a_thousand_take_less_than_a_second() -> None:
    rng = np.random.default_rng(0)
    truths = np.concatenate([rng.uniform(0, 500, (1000, 3)), rng.uniform(5, 30, (1000, 3))], 1)
    boxes = (truths + rng.normal(0, 1, truths.shape)).astype(np.float32)
    found = Found(np.zeros(1000, dtype=np.int64), rng.random(1000).astype(np.float32), boxes)
    started = time.process_time()

    rows = match_image(found, np.concatenate([np.zeros((1000, 1)), truths], axis=1))

    assert time.process_time() - started < 1
    assert (rows[:, 3] == HIT).sum() > 500


def test_scores_stand_in_the_bins_of_their_log_odds() -> None:
    scores = np.float32([0.0, 0.2689414, 0.5, 0.7310586, 1.0])  # log-odds -inf, -1, 0, 1, inf

    assert score_bins(scores).tolist()[::2] == [0, 128, 255]
    assert abs(score_bins(scores)[1] - 112) <= 1  # 16 bins for 1
    assert abs(score_bins(scores)[3] - 144) <= 1


class Echo(torch.nn.Module):
    """A network of which each map is its input."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.repeat(1, 4, 1, 1)


def test_a_model_is_counted_over_its_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads the maps is its own part: here the mean of an image says which one it is."""
    rng, plan = np.random.default_rng(4), box_plan()
    drawn = [drawn_image(rng) for _ in range(11)]
    boxes = padded_boxes([np.float32(true) for _, true in drawn], 2)
    pixels = np.arange(11, dtype=np.float32)[:, None, None, None] + np.zeros((1, 1, 64, 64))
    targets = torch.ones(11, 2)
    targets[3, 1] = torch.nan
    images = BoxedImages(np.float32(pixels), np.arange(11), targets, boxes=boxes)

    def finding(maps: torch.Tensor, plan: object) -> list[Found]:
        return [drawn[int(one.mean())][0] for one in maps]

    def loss(plan: object) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        return lambda maps, boxes: maps.mean() + 0 * boxes.nansum()

    monkeypatch.setattr(box_scores, "found_in", finding)
    monkeypatch.setattr(box_scores, "box_loss", loss)

    counts = count_boxes(Echo(), images, plan, CPU, np.arange(11) // 2)

    assert counts.n == 11
    assert counts.loss == pytest.approx(5.0)
    assert loss_on_boxes(Echo(), images, plan, CPU) == pytest.approx(5.0)
    n_first = sum(int((true[:, 0] == 0).sum()) for _, true in drawn)
    n_second = sum(int((true[:, 0] == 1).sum()) for i, (_, true) in enumerate(drawn) if i != 3)
    assert counts.truths.tolist() == [n_first, n_second]
    assert counts.images.sum(axis=1).tolist() == [11, 10]
    assert counts.images[0, WITH] == sum(bool((true[:, 0] == 0).any()) for _, true in drawn)
    n_found = sum(int((found.classes == 0).sum()) for found, _ in drawn)
    assert (counts.hits + counts.extra)[0, OVERLAP].sum() == n_found
    assert (counts.hits + counts.extra)[0, CENTRE].sum() <= n_found
    assert counts.found is not None
    assert counts.found.truths[3, 1] == UNKNOWN
    assert counts.found.patient.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5]
