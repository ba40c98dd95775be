"""The losses of a segmentation, by hand and against MONAI's."""

import math

import pytest
import torch
from tests.conftest import MakePlan

from medfl_client.training.class_balance import image_chances
from medfl_client.training.losses import Loss, task_loss, training_loss
from medfl_client.training.mask_losses import coarser, truth_of
from medfl_common.plan.plan import Plan, load_plan

X = 255


def plan_with(make_plan: MakePlan, loss: str = "task", **training: object) -> Plan:
    task: dict[str, object] = {"type": "segmentation", "classes": ["background", "a", "b"]}
    return load_plan(make_plan(task=task, model={"name": "unet", "norm": "own"},
                               training={"loss": loss, **training}))  # fmt: skip


def loss_of(make_plan: MakePlan, loss: str = "task") -> Loss:
    return task_loss(plan_with(make_plan, loss))


def sure_of(masks: torch.Tensor, strength: float = 30.0) -> torch.Tensor:
    shares, _ = truth_of(masks, 3)
    return shares * strength


def random_case(n: int, *sides: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    masks = torch.randint(3, (n, *sides), generator=generator).to(torch.uint8)
    return torch.randn((n, 3, *sides), generator=generator), masks


def test_by_hand_on_four_pixels_one_unknown(make_plan: MakePlan) -> None:
    masks = torch.tensor([[[0, 1], [1, X]]], dtype=torch.uint8)
    logits = torch.zeros(1, 3, 2, 2)  # each class a third
    logits[0, :, 1, 1] = torch.tensor([0.2, 0.5, 0.3]).log()  # of the unknown one

    entropy = math.log(3)
    # class a alone: the case has no b; the unknown pixel is not of a
    dice = 1 - (2 * 2 / 3 + 1) / (3 / 3 + 0.5 + 2 + 1)

    for name, value in {
        "ce": entropy, "dice": dice, "dice_ce": dice + entropy, "task": dice + entropy,
        "focal": (2 / 3) ** 2 * entropy,
    }.items():  # fmt: skip
        assert float(loss_of(make_plan, name)(logits, masks)) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("name", ["ce", "dice", "dice_ce", "focal"])
def test_a_batch_is_the_mean_of_its_cases_and_half_precision_changes_no_sum(
    name: str, make_plan: MakePlan
) -> None:
    loss = loss_of(make_plan, name)
    logits, masks = random_case(4, 5, 6, 7)
    masks[0], masks[1, :3], masks[2] = 0, X, X  # none outlined, partly unknown, all unknown

    alone = torch.stack([loss(logits[i : i + 1], masks[i : i + 1]) for i in range(4)])

    assert loss(logits, masks) == pytest.approx(float(alone.mean()), rel=1e-6)
    assert alone[2] == 0.0
    assert loss(logits.bfloat16(), masks).dtype == torch.float32
    assert loss(sure_of(torch.where(masks == X, 0, masks)), masks) < 1e-3


def test_a_coarser_level_sees_shares_of_what_is_known() -> None:
    masks = torch.tensor([[[1, 1, 2], [0, X, 2], [X, X, 1]]], dtype=torch.uint8)

    truth, known = coarser(*truth_of(masks, 3), (2, 2))

    thirds = torch.tensor([1 / 3, 2 / 3, 0])
    torch.testing.assert_close(truth[0, :, 0, 0], thirds)
    assert truth[0, :, 0, 1].tolist() == [0, 0, 1]  # beyond the image there is nothing
    assert known[0, 0].tolist() == [[1, 1], [0, 1]]


def test_coarser_levels_count_by_halves(make_plan: MakePlan) -> None:
    loss = loss_of(make_plan, "ce")
    _, masks = random_case(2, 8, 8)
    right, undecided = sure_of(masks), [torch.zeros(2, 3, side, side) for side in (8, 4, 2)]

    assert loss(undecided, masks) == pytest.approx(math.log(3), rel=1e-6)
    assert loss([right, *undecided[1:]], masks) == pytest.approx(3 / 7 * math.log(3), rel=1e-4)


def test_sampling_draws_cases_of_a_rare_class_more_often(make_plan: MakePlan) -> None:
    plan = plan_with(make_plan, class_balance="sampling")
    has = torch.tensor([[1.0, 1, 0], [1, 1, 0], [1, 1, 0], [1, 1, 1], [1, torch.nan, 0]])

    chances = image_chances(has, plan)

    assert chances[3] > chances[0] > 0
    assert torch.isfinite(chances).all()
    assert training_loss(plan, has)(*random_case(2, 4, 4)) > 0


@pytest.mark.slow  # monai takes 20 s to import
def test_dice_cross_entropy_and_focal_are_monais(make_plan: MakePlan) -> None:
    from monai.losses import DiceCELoss, FocalLoss

    logits, masks = random_case(3, 6, 7, 8)
    one = {"to_onehot_y": True, "include_background": False}
    both = DiceCELoss(softmax=True, smooth_nr=1.0, smooth_dr=1.0, **one)
    focal = FocalLoss(to_onehot_y=True, use_softmax=True, gamma=2.0)

    target = masks[:, None]
    # MONAI's focal loss is a mean over classes, too.
    assert loss_of(make_plan)(logits, masks) == pytest.approx(float(both(logits, target)))
    assert loss_of(make_plan, "focal")(logits, masks) == pytest.approx(
        3 * float(focal(logits, target))
    )
