"""Which plans secure sums go with, and what the others are told."""

import pytest
from tests.conftest import MakePlan

from medfl_common.errors import ConfigError
from medfl_common.plan.algorithms import ALGORITHMS
from medfl_common.plan.plan import load_plan

SUMS: dict[str, object] = {"secure_sum": {"at_least": 3}}
SUMMED = {
    "fedavg", "fedprox", "fedbn", "fedper", "fedrep", "ditto", "moon", "fedavgm", "fedadam",
    "fedyogi", "fedadagrad",
}  # fmt: skip
SINGLE = {"median", "trimmed_mean", "krum", "multi_krum", "bulyan", "fedbuff", "cyclic",
          "qfedavg", "fednova", "scaffold", "feddyn"}  # fmt: skip


def test_every_algorithm_is_summed_or_named_as_one_that_is_not() -> None:
    assert {name for name in ALGORITHMS.names() if ALGORITHMS.get(name).is_mean} == SUMMED
    assert set(ALGORITHMS.names()) >= SINGLE


@pytest.mark.parametrize("name", sorted(SINGLE))
def test_a_strategy_that_needs_more_than_the_mean_is_refused_by_name(
    name: str, make_plan: MakePlan
) -> None:
    sites = {"min_sites": 7, "bad_sites": 1} if name in ("krum", "multi_krum", "bulyan") else {}
    path = make_plan(privacy=SUMS, evaluation={"keep": "last"},
                     federation={"strategy": name, **sites})  # fmt: skip

    with pytest.raises(ConfigError) as refused:
        load_plan(path)
    assert f"privacy.secure_sum does not go with {name}: it needs more than the mean" in str(
        refused.value
    )
