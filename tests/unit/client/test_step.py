import math

import pytest
import torch
from tests.conftest import MakePlan
from torch import nn

from medfl_client.training.class_balance import class_weights, image_chances
from medfl_client.training.losses import task_loss, training_loss
from medfl_client.training.objectives.plain import Plain
from medfl_client.training.step import Stepper
from medfl_common.errors import TrainingError
from medfl_common.plan.plan import load_plan

CPU = torch.device("cpu")


class Narrow(nn.Linear):
    """A layer that runs out of memory above so many images, with torch's own error."""

    limit = 4

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        if len(values) > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().forward(values)


def stepper(model: nn.Module, make_plan: MakePlan, clip_norm: float | None = None) -> Stepper:
    plan = load_plan(make_plan())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    return Stepper(model, optimizer, task_loss(plan), Plain(), clip_norm, torch.float32, CPU)


def batch(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return torch.randn(n, 3, generator=draw), torch.randint(0, 2, (n, 1), generator=draw).float()


def test_two_halves_make_the_same_step_as_the_whole(make_plan: MakePlan) -> None:
    narrow, wide = Narrow(3, 1), nn.Linear(3, 1)
    wide.load_state_dict(narrow.state_dict())
    pixels, targets = batch(7)

    halves = stepper(narrow, make_plan)
    losses = halves.step(pixels, targets), stepper(wide, make_plan).step(pixels, targets)

    assert halves.n_parts == 2
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(narrow.weight, wide.weight)


def test_a_batch_whose_half_is_too_large_says_what_to_do(make_plan: MakePlan) -> None:
    with pytest.raises(TrainingError, match=r"5 images at a time.*lower training\.batch_size"):
        stepper(Narrow(3, 1), make_plan).step(*batch(10))


def test_another_failure_of_torch_is_not_taken_for_a_lack_of_memory(make_plan: MakePlan) -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        stepper(nn.Linear(4, 1), make_plan).step(*batch(4))


def test_a_clipped_gradient_moves_the_weights_by_no_more_than_its_norm(make_plan: MakePlan) -> None:
    model = nn.Linear(3, 1)
    before = [p.detach().clone() for p in model.parameters()]
    pixels, targets = batch(8)

    stepper(model, make_plan, clip_norm=0.01).step(pixels * 100, targets)

    moved = [now.detach() - then for now, then in zip(model.parameters(), before, strict=True)]
    assert math.sqrt(sum(float(m.square().sum()) for m in moved)) == pytest.approx(0.005, rel=1e-3)


def test_class_weights_give_every_class_the_same_say_and_keep_the_mean(make_plan: MakePlan) -> None:
    plan = load_plan(make_plan())
    targets = torch.tensor([[1.0]] * 2 + [[0.0]] * 8)

    weights = class_weights(targets, plan)

    assert weights.ravel().tolist() == pytest.approx([0.625, 2.5])  # 8 x 0.625 = 2 x 2.5 = 5


def test_unknown_findings_weigh_nothing_and_three_classes_count_alike(make_plan: MakePlan) -> None:
    some = load_plan(make_plan(task={"type": "multilabel", "classes": ["a", "b"]}))
    one = load_plan(make_plan(task={"type": "multiclass", "classes": ["a", "b", "c"]}))
    found = class_weights(torch.tensor([[1.0, math.nan], [0.0, 1.0]]), some)
    chances = image_chances(torch.eye(3)[[0, 0, 0, 1]], one)

    assert found.tolist() == [[1.0, 0.0], [1.0, 1.0]]
    assert chances.tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2.0])  # class c does not occur


def test_the_weighted_and_smoothed_loss_is_the_one_worked_out_by_hand(make_plan: MakePlan) -> None:
    plan = load_plan(make_plan(training={"class_balance": "weights", "label_smoothing": 0.2}))
    targets = torch.tensor([[1.0], [0.0], [0.0], [0.0]])
    odds = torch.tensor([[1.0], [0.0], [0.0], [0.0]])

    loss = training_loss(plan, targets)(odds, targets)

    positive = 0.9 * math.log1p(math.exp(-1)) + 0.1 * math.log1p(math.exp(1))
    assert float(loss) == pytest.approx((2 * positive + 3 * (2 / 3) * math.log(2)) / 4)


def test_smoothing_three_classes_is_torchs_own(make_plan: MakePlan) -> None:
    task = {"type": "ordinal", "classes": ["a", "b", "c"]}
    plan = load_plan(make_plan(task=task, training={"label_smoothing": 0.3}))
    draw = torch.Generator().manual_seed(1)
    logits, truth = torch.randn(6, 3, generator=draw), torch.tensor([0, 1, 2, 2, 1, 0])

    own = training_loss(plan, torch.eye(3)[truth])(logits, torch.eye(3)[truth])

    torch.testing.assert_close(own, nn.functional.cross_entropy(logits, truth, label_smoothing=0.3))


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ({"kind": "constant"}, [0.8, 0.8, 0.8, 0.8]),
        ({"kind": "cosine"}, [0.8, 0.4 + 0.4 * math.sqrt(0.5), 0.4, 0.4 - 0.4 * math.sqrt(0.5)]),
        ({"kind": "step", "every_rounds": 2, "factor": 0.5}, [0.8, 0.8, 0.4, 0.4]),
        ({"kind": "constant", "warmup_rounds": 3}, [0.2, 0.4, 0.6, 0.8]),
    ],
)  # fmt: skip
def test_the_step_size_follows_the_schedule(
    schedule: dict[str, object], rates: list[float], make_plan: MakePlan
) -> None:
    plan = load_plan(
        make_plan(training={"lr": 0.8, "schedule": schedule}, federation={"rounds": 4})
    )

    assert [plan.learning_rate(r) for r in range(1, 5)] == pytest.approx(rates)
