"""Flower's robust rules, against numbers worked out by hand, numpy, and one hostile site."""

import numpy as np
import pytest
import torch
from flwr.supercore.task_identity import TaskIdentity

from medfl_common.errors import ConfigError, RunError
from medfl_common.models.weights import Weights
from medfl_common.plan.federation import Federation
from medfl_common.plan.plan import Plan
from medfl_common.wire.results import TrainResult
from medfl_server.aggregation.aggregator import RoundAggregation, check_roster, quorum_of
from medfl_server.aggregation.strategies import STRATEGIES, AggregationContext, UpdateInfo

NEEDS = {"median": 3, "trimmed_mean": 5, "krum": 5, "multi_krum": 5, "bulyan": 7}
START: Weights = {"b": torch.tensor([10.0]), "w": torch.zeros(3, 4)}


@pytest.fixture(autouse=True)
def inside_a_run() -> None:
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1


def federation(strategy: str, **more: object) -> Federation:
    return Federation.model_validate({"rounds": 1, "strategy": strategy, **more})


def aggregate(strategy: str, updates: list[Weights], weights: Weights = START) -> Weights:
    aggregation = STRATEGIES.get(strategy)(AggregationContext(federation(strategy)))
    for number, update in enumerate(updates):
        aggregation.add(
            update, UpdateInfo(10 ** (number % 5))
        )  # who claims many images has no more say
    return aggregation.result(weights)


def honest(n: int, seed: int = 0) -> list[Weights]:
    """Draw updates that agree on a direction and differ by noise."""
    draw = torch.Generator().manual_seed(seed)
    return [
        {"b": 1 + 0.1 * torch.randn(1, generator=draw),
         "w": -1 + 0.1 * torch.randn(3, 4, generator=draw)}
        for _ in range(n)
    ]  # fmt: skip


def ones(values: list[float]) -> list[Weights]:
    return [{"w": torch.tensor([value])} for value in values]


@pytest.mark.parametrize(
    ("strategy", "values", "expected"),
    [
        ("median", [1.0, 2.0, 900.0], 2.0),
        ("median", [4.0, 1.0, 2.0, 900.0], 3.0),
        ("trimmed_mean", [-50.0, 1.0, 2.0, 6.0, 900.0], 3.0),
        # Squared distances to the two nearest: 2: 1 + 4, 3: 1 + 1, 4: 1 + 4, 9: 25 + 36.
        ("krum", [2.0, 3.0, 4.0, 9.0, 900.0], 3.0),
        # The two lowest scores: 3 with 1 + 1 and 4 with 1 + 2.25 (to 3 and to 5.5).
        ("multi_krum", [2.0, 3.0, 4.0, 5.5, 900.0], 3.5),
        # Chosen 5 of 7: without 900 and 20, median 3, its 3 nearest values are 2, 3 and 4.
        ("bulyan", [1.0, 2.0, 3.0, 4.0, 6.0, 20.0, 900.0], 3.0),
    ],
)
def test_a_rule_gives_what_its_paper_says(
    strategy: str, values: list[float], expected: float
) -> None:
    found = aggregate(strategy, ones(values), {"w": torch.tensor([100.0])})

    assert found["w"].tolist() == [100 + expected]
    assert found["w"].dtype == torch.float32


def test_median_and_trimmed_mean_are_those_of_numpy() -> None:
    updates = honest(11)
    stacked = np.stack([update["w"].numpy() for update in updates])

    middle = aggregate("median", updates)["w"]
    trimmed = aggregate("trimmed_mean", updates)["w"]  # 0.2 of 11 sites: two at each end

    np.testing.assert_array_equal(middle.numpy(), np.median(stacked, axis=0))
    np.testing.assert_allclose(trimmed.numpy(), np.sort(stacked, axis=0)[2:-2].mean(0), rtol=1e-6)


@pytest.mark.parametrize("strategy", NEEDS)
@pytest.mark.parametrize("factor", [1e6, -1.0, -1e6])
def test_one_hostile_site_moves_no_weight_beyond_the_honest_ones(
    strategy: str, factor: float
) -> None:
    updates = honest(NEEDS[strategy] - 1)
    bad = {name: factor * tensor for name, tensor in honest(1, seed=1)[0].items()}

    found = aggregate(strategy, [updates[0], bad, *updates[1:]])

    for name, start in START.items():
        stacked = torch.stack([update[name] for update in updates])
        change = found[name] - start
        assert (change >= stacked.amin(0) - 1e-5).all()
        assert (change <= stacked.amax(0) + 1e-5).all()


@pytest.mark.parametrize("strategy", NEEDS)
def test_the_order_of_the_sites_does_not_matter(strategy: str) -> None:
    updates = honest(9)

    one, other = aggregate(strategy, updates), aggregate(strategy, updates[::-1])

    for name, tensor in one.items():
        torch.testing.assert_close(other[name], tensor, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("strategy", NEEDS)
def test_a_round_waits_for_as_many_replies_as_the_rule_needs(strategy: str) -> None:
    needed = NEEDS[strategy]
    few = federation(strategy, min_sites=2)

    assert quorum_of(few, 20) == needed
    assert quorum_of(federation(strategy, min_sites="all"), 20) == 20
    assert quorum_of(federation("fedavg", min_sites=2), 20) == 2
    check_roster(few, needed)
    with pytest.raises(ConfigError, match=f"needs {needed} valid replies .*{strategy}: {needed}"):
        check_roster(few, needed - 1)
    with pytest.raises(RunError, match=f"needs {needed} updates, {needed - 1} came"):
        aggregate(strategy, honest(needed - 1))


def test_more_bad_sites_need_more_replies() -> None:
    two = {name: federation(name, bad_sites=2) for name in NEEDS}

    found = {
        name: STRATEGIES.get(name)(AggregationContext(section)).needs
        for name, section in two.items()
    }

    assert found == {"median": 5, "trimmed_mean": 10, "krum": 7, "multi_krum": 7, "bulyan": 11}


def test_running_statistics_are_pooled_as_under_fedavg(plan: Plan) -> None:
    before = {"bn.running_mean": torch.zeros(2), "bn.running_var": torch.ones(2), **START}
    robust = plan.model_copy(update={"federation": federation("median")})
    aggregations = [RoundAggregation(plan, before), RoundAggregation(robust, before)]
    for aggregation in aggregations:
        for number, update in enumerate(honest(3)):
            moved = {"bn.running_mean": torch.full((2,), float(number))}
            moved |= {"bn.running_var": torch.zeros(2), **update}
            result = TrainResult(0, 1, 0, n_images=10 * number + 1, n_steps=1, update=moved)
            aggregation.add(f"s{number}", result)

    average, rule = (aggregation.result() for aggregation in aggregations)

    for name in ("bn.running_mean", "bn.running_var"):
        assert torch.equal(average[name], rule[name])
    assert not torch.equal(average["w"], rule["w"])
