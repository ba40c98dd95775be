from dataclasses import replace

import numpy as np
import pytest
import torch

from medfl_client.guard import permit, release
from medfl_client.site_file import Policy
from medfl_common.errors import DisclosureError
from medfl_common.metrics import N_BINS, Tally
from medfl_common.plan import Plan
from medfl_common.records import TrainResult, TrainTask, plan_number

UPDATE = {"w": torch.ones(2, 2)}
SHAPES = {"w": (2, 2)}


def task(plan: Plan) -> TrainTask:
    return TrainTask("train", "0" * 32, 1, 99, "north", plan, {})


def result(plan: Plan, confusion: list[list[int]]) -> TrainResult:
    counts = np.array(confusion)
    curve = np.zeros((1, N_BINS), dtype=np.int64)
    tally = Tally(int(counts.sum()), 0.5, counts, curve, curve)
    return TrainResult(
        plan_number(plan), 1, 99, n_images=50, tally=tally, exact_auc=0.9, update=UPDATE
    )


def test_scores_of_a_class_below_the_smallest_cell_stay_and_the_update_goes(plan: Plan) -> None:
    small = result(plan, [[30, 2], [4, 5]])  # 9 images of the second class

    reply = release(small, task(plan), Policy(min_cell=10), SHAPES)

    numbers = reply.metric_records["numbers"]
    assert not {"n_scored", "loss", "confusion", "positive", "negative", "exact_auc"} & set(numbers)
    assert "update" in reply


def test_scores_of_large_or_absent_classes_go(plan: Plan) -> None:
    for confusion in ([[30, 2], [4, 6]], [[40, 0], [0, 0]]):
        reply = release(result(plan, confusion), task(plan), Policy(min_cell=10), SHAPES)

        assert reply.metric_records["numbers"]["n_scored"] == sum(map(sum, confusion))


@pytest.mark.parametrize(
    ("change", "policy", "message"),
    [
        ({"n_images": 19}, Policy(), r"trained on 19 images, policy\.min_images is 20"),
        ({"update": {"w": torch.full((2, 2), torch.nan)}}, Policy(), "NaN"),
        ({"update": {"w": torch.ones(3)}}, Policy(), "other tensors"),
        ({"update": UPDATE | {"patients": torch.ones(1)}}, Policy(), "other tensors"),
        ({"train_loss": float("nan")}, Policy(), "NaN or an infinity"),
        ({"nonce": 98}, Policy(), "does not belong"),
        ({}, Policy(max_message_mb=0.0001), r"policy\.max_message_mb"),
    ],
)
def test_what_is_not_listed_does_not_leave(
    change: dict[str, object], policy: Policy, message: str, plan: Plan
) -> None:
    changed = replace(result(plan, [[40, 0], [0, 40]]), **change)

    with pytest.raises(DisclosureError, match=f"{message}.*nothing was sent"):
        release(changed, task(plan), policy, SHAPES)


def test_policy_beats_plan_before_any_data_is_read(plan: Plan) -> None:
    with pytest.raises(DisclosureError, match=r"policy\.models allows resnet18; no data was read"):
        permit(plan, Policy(models=["resnet18"]))
    with pytest.raises(DisclosureError, match=r"has 3 rounds, policy\.max_rounds allows 2"):
        permit(plan, Policy(max_rounds=2))
