import time

import pytest
from tests.conftest import MakePlan

from medfl_common.errors import ConfigError
from medfl_common.plan.noise_cost import (
    epsilon_of_training,
    fitting_multiplier,
    rdp_of_scoring,
    rounded_up,
)
from medfl_common.plan.plan import load_plan
from medfl_common.plan.privacy import Noise
from medfl_common.privacy.accountant import epsilon_of

NOISE = {
    "epsilon": 3.0, "delta": 1e-5, "draw": 256, "steps": 6, "multiplier": 3.6,
    "least_patients": 900, "scores": 3.0,
}  # fmt: skip


def _section(**changes: object) -> dict[str, object]:
    return {
        "privacy": {"noise": {**NOISE, **changes}},
        "evaluation": {"keep": "last"},
        "federation": {"rounds": 10},
    }


def test_a_plan_whose_noise_is_too_little_is_refused_with_the_multiplier_that_fits(
    make_plan: MakePlan,
) -> None:
    with pytest.raises(ConfigError, match=r"cost epsilon 17\.9.* multiplier: 3\.\d+ fits") as told:
        load_plan(make_plan(**_section(multiplier=1.0)))

    fits = float(str(told.value).partition("multiplier: ")[2].split()[0])
    plan = load_plan(make_plan(**_section(multiplier=fits)))
    assert plan.privacy.noise is not None
    assert 2.95 < epsilon_of_training(plan.privacy.noise, 10) <= 3.0
    assert fitting_multiplier(plan.privacy.noise, 10) == fits
    with pytest.raises(ConfigError, match=f"multiplier: {fits:g} fits"):
        load_plan(make_plan(**_section(multiplier=fits - 0.01)))


def test_an_epsilon_below_what_can_be_shown_has_no_multiplier(make_plan: MakePlan) -> None:
    with pytest.raises(ConfigError, match="no multiplier fits, as epsilon below"):
        load_plan(make_plan(**_section(epsilon=0.05)))


def test_the_scoring_costs_about_its_epsilon_by_orders_and_nothing_without_scores(
    make_plan: MakePlan,
) -> None:
    noise = load_plan(make_plan(**_section())).privacy.noise
    assert noise is not None

    exact_and_above = epsilon_of(rdp_of_scoring(noise), noise.delta)[0]

    assert 3.0 <= exact_and_above <= 3.4  # the release is exact; orders bound it from above
    assert not rdp_of_scoring(noise.model_copy(update={"scores": 0.0})).any()


def test_a_plan_is_checked_in_a_millisecond(make_plan: MakePlan) -> None:
    path = make_plan(**_section())
    load_plan(path)
    noise = load_plan(path).privacy.noise
    assert noise is not None

    started = time.process_time()
    for _ in range(1000):
        epsilon_of_training(noise, 10)

    assert time.process_time() - started < 1


def test_multipliers_are_rounded_up() -> None:
    assert [rounded_up(x) for x in (3.018, 3.01, 0.123456, 1234.5)] == [3.02, 3.01, 0.124, 1240]


def test_what_is_found_of_anybody_at_a_false_alarm_in_a_hundred_is_e_to_the_epsilon() -> None:
    noise = Noise.model_validate(NOISE)

    assert noise.found_at_most == pytest.approx(0.2009, abs=1e-4)
    more = noise.model_copy(update={"scores": 8.0})  # of whom is held out more is told
    assert more.found_at_most == 1.0
