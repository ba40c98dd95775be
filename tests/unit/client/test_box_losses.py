"""The loss of a detection, by hand and against a plain loop over pixels."""

import math

import pytest
import torch
from tests.squares import VOLUMES, box_plan

from medfl_client.training.box_losses import LEAST_SPREAD, SPREAD, box_loss, truth_of
from medfl_client.training.class_balance import image_chances
from medfl_client.training.losses import task_loss, training_loss
from medfl_common.models import build_model

NAN = [math.nan]


def by_loop(maps: torch.Tensor, boxes: list[list[float]], n_classes: int) -> float:
    """Add up a 2D image's loss pixel by pixel, for boxes that do not meet."""
    total = 0.0
    for k in range(n_classes):
        for y in range(maps.shape[1]):
            for x in range(maps.shape[2]):
                chance, truth = torch.sigmoid(maps[k, y, x].double()).item(), 0.0
                for own, cy, cx, h, w in boxes:
                    if own == k:
                        truth = max(truth, bell(y, cy, h) * bell(x, cx, w))
                if truth == 1:
                    total -= (1 - chance) ** 2 * math.log(chance)
                else:
                    total -= (1 - truth) ** 4 * chance**2 * math.log(1 - chance)
    for _, cy, cx, h, w in boxes:
        found, weights = 0.0, 0.0
        for y in range(maps.shape[1]):
            for x in range(maps.shape[2]):
                weight = bell(y, cy, h) * bell(x, cx, w)
                logs = maps[n_classes:, y, x].tolist()
                found += weight * (abs(logs[0] - math.log(h)) + abs(logs[1] - math.log(w))) / 2
                weights += weight
        total += found / weights
    return total / max(len(boxes), 1)


def bell(place: int, centre: float, side: float) -> float:
    spread, steps = max(SPREAD * side, LEAST_SPREAD), place - int(centre)
    is_near = abs(steps) <= 3 * spread
    return math.exp(-(steps**2) / (2 * spread**2)) if is_near else 0.0


def test_by_hand_on_one_box() -> None:
    plan = box_plan(task={"classes": ["only"]})
    maps = torch.zeros(1, 3, 1, 2)  # a chance of 1/2 at both pixels, sides of 1
    boxes = torch.tensor([[[0, 0.5, 0.5, math.e, math.e**2]]])  # the centre in the first pixel

    found = float(task_loss(plan)(maps, boxes))

    beside = math.exp(-1 / 2)  # a pixel from the centre, at the least spread of one
    heat = 0.25 * math.log(2) * (1 + (1 - beside) ** 4)
    assert found == pytest.approx(heat + 1.5, abs=1e-6)  # log sides are off by 1 and by 2


def test_it_is_what_a_plain_loop_gives() -> None:
    maps = torch.randn((2, 4, 30, 26), generator=torch.Generator().manual_seed(1))
    first = [[0, 6.2, 7.9, 14.0, 3.0], [1, 22.0, 20.5, 5.0, 20.0], [0, 29.9, 0.0, 2.0, 2.0]]
    boxes = torch.tensor([first, [[1, 15.0, 3.0, 8.0, 8.0], NAN * 5, NAN * 5]])

    found = float(training_loss(box_plan(), torch.ones(2, 2))(maps, boxes))

    wanted = (by_loop(maps[0], first, 2) + by_loop(maps[1], [[1, 15.0, 3.0, 8.0, 8.0]], 2)) / 2
    assert found == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("lengths", [(20, 24), (6, 12, 14)])
def test_halves_add_up_padding_is_nothing_and_half_precision_changes_no_sum(
    lengths: tuple[int, ...],
) -> None:
    d = len(lengths)
    loss = box_loss(box_plan(images=VOLUMES if d == 3 else {}))
    maps = torch.randn((4, 2 + d, *lengths), generator=torch.Generator().manual_seed(2))
    boxes = torch.full((4, 2, 1 + 2 * d), math.nan)  # images 1 and 3 have none
    boxes[0] = torch.tensor([[0.0, *[3.5] * d, *[4.0] * d], [1.0, *[5.0] * d, *[9.0] * d]])
    boxes[2, 1] = torch.tensor([1.0, *[2.0] * d, *[1.0] * d])

    whole, halves = loss(maps, boxes), [loss(maps[i : i + 2], boxes[i : i + 2]) for i in (0, 2)]
    padded = torch.cat([boxes, torch.full((4, 3, 1 + 2 * d), math.nan)], dim=1)

    torch.testing.assert_close(whole, (halves[0] + halves[1]) / 2)
    assert torch.equal(whole, loss(maps, padded))
    assert torch.equal(loss(maps, boxes.flip(1)), whole)
    half = maps.bfloat16()
    assert torch.equal(loss(half, boxes), loss(half.float(), boxes))
    no_boxes = loss(maps[1:2], boxes[1:2, :0])
    assert no_boxes > 0
    assert torch.equal(no_boxes, loss(maps[1:2], boxes[1:2]))


def test_where_boxes_meet_the_larger_gaussian_counts_and_of_one_centre_the_smaller_box() -> None:
    maps = torch.zeros(3, 40, 40)
    large, small = [0, 20.5, 20.5, 36.0, 36.0], [0, 20.5, 23.5, 4.0, 4.0]
    inside = [0, 20.5, 20.5, 8.0, 8.0]

    heat, weights, sides = truth_of(torch.tensor([small, large]), maps, 1)
    alone = [truth_of(torch.tensor([one]), maps, 1)[0] for one in (large, small)]
    _, shared, of_inside = truth_of(torch.tensor([inside, large]), maps, 1)

    assert torch.equal(heat, torch.maximum(*alone))
    assert float(weights.sum()) == pytest.approx(2)
    assert float(sides[0, 20, 20]) == pytest.approx(math.log(36))
    assert float(sides[0, 20, 23]) == pytest.approx(math.log(4))
    assert float(of_inside[0, 20, 20]) == pytest.approx(math.log(8))
    assert float(shared.sum()) == pytest.approx(2)


def test_its_gradient_leads_to_the_truth() -> None:
    plan = box_plan(task={"classes": ["only"]})
    boxes = torch.tensor([[[0, 8.3, 4.7, 5.0, 3.0]]])
    maps = torch.zeros(1, 3, 16, 12, requires_grad=True)
    step = torch.optim.Adam([maps], lr=0.1)
    for _ in range(200):
        step.zero_grad()
        loss = box_loss(plan)(maps, boxes)
        loss.backward()  # type: ignore[no-untyped-call]
        step.step()

    assert float(loss.detach()) < 0.1
    assert int(maps[0, 0].argmax()) == 8 * 12 + 4
    assert maps[0, 1:, 8, 4].exp().tolist() == pytest.approx([5, 3], rel=0.1)


@pytest.mark.parametrize("images", [{}, VOLUMES], ids=["picture", "volume"])
def test_a_fresh_detection_sees_nearly_nothing_and_other_starts_are_as_they_were(
    images: dict[str, object],
) -> None:
    plan = box_plan(images=images)
    network, d = build_model(plan), plan.images.dimensions
    as_masks = plan.model_dump()
    as_masks["task"] = {"type": "segmentation", "classes": ["a", "b", "c", "d", "e"][: 2 + d]}
    as_masks["evaluation"].pop("metric")
    other = build_model(type(plan).model_validate(as_masks))

    start, theirs = network.state_dict(), other.state_dict()

    bias = torch.sigmoid(start["head.0.bias"][:2])
    torch.testing.assert_close(bias, torch.full((2,), 0.01))
    sides = [side / 8 for side in plan.images.shape[1:]]
    assert start["head.0.bias"][2:].exp().tolist() == pytest.approx(sides)
    same = [name for name in start if torch.equal(start[name], theirs[name])]
    assert set(start) - set(same) == {"head.0.bias"}


def test_rare_classes_are_drawn_by_presence() -> None:
    plan = box_plan(training={"class_balance": "sampling"})
    targets = torch.tensor([[1.0, 0.0]] * 3 + [[1.0, 1.0]])

    chances = image_chances(targets, plan)

    assert chances[3] > chances[0] == chances[1] > 0
