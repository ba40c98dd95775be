"""A site's own number of epochs, within the plan's range."""

import pytest
from tests.conftest import MakePlan

from medfl_common.errors import ConfigError
from medfl_common.plan.plan import Plan, load_plan, plan_from_json
from medfl_server.study.plan_check import plan_notes

RANGE = {"epochs": 2, "epochs_range": [1, 4]}


@pytest.mark.parametrize(("wish", "made"), [(None, 2), (1, 1), (3, 3), (9, 4)])
def test_a_site_makes_those_that_it_wishes_or_the_nearest_that_are_allowed(
    wish: int | None, made: int, make_plan: MakePlan
) -> None:
    assert load_plan(make_plan(training=RANGE)).training.epochs_of(wish) == made


def test_without_a_range_a_wish_changes_nothing_nor_does_the_key_change_a_hash(plan: Plan) -> None:
    assert plan.training.epochs_of(7) == plan.training.epochs == 1
    assert "epochs_range" not in plan.canonical()


def test_the_range_is_in_the_hash_and_comes_back_from_a_message(make_plan: MakePlan) -> None:
    plan = load_plan(make_plan(training=RANGE))

    assert plan_from_json(plan.canonical()).training.epochs_range == [1, 4]
    assert plan_from_json(plan.canonical()).hash() == plan.hash()


def test_a_range_holds_the_plans_own_epochs(make_plan: MakePlan) -> None:
    with pytest.raises(ConfigError, match=r"epochs is 5; epochs_range says 1 to 4, and holds it"):
        load_plan(make_plan(training={"epochs": 5, "epochs_range": [1, 4]}))


def test_the_fewest_epochs_leave_fedrep_some_for_the_body(make_plan: MakePlan) -> None:
    with pytest.raises(ConfigError, match=r"fedrep needs more training\.epochs"):
        load_plan(make_plan(training=RANGE, federation={"strategy": "fedrep"}))


def test_a_plan_with_a_range_is_told_who_weighs_steps_out(make_plan: MakePlan) -> None:
    (note,) = plan_notes(load_plan(make_plan(training=RANGE)))

    assert "under fedavg those that make more pull the model their way" in note
    assert "federation.strategy: fednova weighs that out" in note
    nova = load_plan(make_plan(training=RANGE, federation={"strategy": "fednova"}))
    assert plan_notes(nova) == plan_notes(load_plan(make_plan())) == []
