"""Under privacy.noise a reply holds noisy numbers and declared ones; the guard refuses the rest."""

import pytest
import torch
from flwr.app import MetricRecord, RecordDict
from tests.conftest import MakePlan
from tests.noisy import noisy

from medfl_client.config.site_file import Policy
from medfl_client.egress.guard import let_out, release
from medfl_client.egress.message_entry import NOTHING
from medfl_client.egress.noise_rules import BINDING, DECLARED, SCORES
from medfl_common.errors import DisclosureError
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.wire.results import SINGLE, TrainResult, plan_number
from medfl_common.wire.tasks import TrainTask

POLICY = Policy(min_images=5, min_cell=1)
SHAPES = {"w": (2,)}


@pytest.fixture
def plan(make_plan: MakePlan) -> Plan:
    return load_plan(make_plan(**noisy()))


def reply(plan: Plan) -> tuple[RecordDict, TrainTask]:
    task = TrainTask("train", "0" * 32, 1, 7, "a", plan, {"w": torch.zeros(2)})
    result = TrainResult(
        plan_number(plan), 1, 7, n_images=8, n_steps=3, seconds=10.0,
        update={"w": torch.ones(2)}, versions=(0, 1, 0, 2, 0, 0, 3, 11, 0), device="cpu",
    )  # fmt: skip
    return release(result, task, POLICY, SHAPES), task


def test_a_reply_holds_only_what_is_noisy_declared_or_of_the_task(plan: Plan) -> None:
    content, _ = reply(plan)

    assert set(content) == {"numbers", "update"}
    assert set(content.metric_records["numbers"]) == BINDING | DECLARED
    assert set(SCORES) & {"exact_auc", "start_loss", "clusters", "features"} == set()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("n_images", 7, "exact n_images"),
        ("n_steps", 2, "exact n_steps"),
        ("train_loss", 0.37, "exact train_loss"),
        ("seconds", 8.123, "exact seconds"),
        ("exact_auc", 0.8, "exact_auc does not leave"),
        ("n_scored", 11, "not one of this plan|does not leave"),
    ],
)
def test_any_other_number_is_refused(plan: Plan, name: str, value: float, said: str) -> None:
    content, task = reply(plan)
    numbers = dict(content.metric_records["numbers"]) | {name: value}
    content["numbers"] = MetricRecord(numbers)

    with pytest.raises(DisclosureError, match=said):
        let_out(content, task, POLICY, SHAPES, NOTHING)


def test_every_single_number_that_may_leave_without_noise_is_known_to_the_rules() -> None:
    rest = SINGLE - BINDING - DECLARED - SCORES

    assert {name for name in rest if not name.startswith("data_")} == {"exact_auc", "start_loss"}
