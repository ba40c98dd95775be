"""Like hospitals of few steps a round stay behind pooled training: how far, and what helps."""

import pytest
import torch
from tests.conftest import MakePlan

from medfl_common.models.weights import Weights
from medfl_common.plan.plan import load_plan
from medfl_server.aggregation.aggregator import aggregation_of
from medfl_server.aggregation.strategies import AggregationContext, UpdateInfo

# Every site has the loss h / 2 w^2, and the plan's optimizer begins anew in each round.
CURVATURE, RATE, ROUNDS, SITES = 0.01, 0.02, 40, 5


def distance(strategy: str, n_sites: int, n_steps: int, make_plan: MakePlan) -> float:
    """Say how far from the minimum, of 1 at the start, a federation of like sites ends."""
    plan = load_plan(make_plan(federation={"strategy": strategy}))
    weights: Weights = {"w": torch.ones(1)}
    state: Weights = {}
    for number in range(1, ROUNDS + 1):
        aggregation = aggregation_of(
            AggregationContext(plan.federation, plan.training, number, n_sites, RATE, state)
        )
        for _ in range(n_sites):
            w = weights["w"].clone().requires_grad_()
            optimizer = torch.optim.SGD([w], lr=RATE, momentum=plan.training.momentum)
            for _ in range(n_steps):
                w.grad = CURVATURE * w.detach()
                optimizer.step()
            aggregation.add({"w": w.detach() - weights["w"]}, UpdateInfo(94, n_steps))
        weights, state = aggregation.result(weights), aggregation.state()
    return float(weights["w"])


def test_five_like_sites_go_as_far_as_one_site_with_a_fifth_of_the_steps(
    make_plan: MakePlan,
) -> None:
    federated = distance("fedavg", SITES, 3, make_plan)

    assert federated == pytest.approx(distance("fedavg", 1, 3, make_plan), abs=1e-6)
    assert federated > 0.95
    assert distance("fedavg", 1, 15, make_plan) < 0.55  # pooled: 78.5 steps' worth, not 5.6


def test_momentum_at_the_coordinator_makes_up_for_most_of_the_missing_steps(
    make_plan: MakePlan,
) -> None:
    behind = {
        strategy: distance(strategy, SITES, 3, make_plan) - distance("fedavg", 1, 15, make_plan)
        for strategy in ("fedavg", "fedavgm")
    }

    assert behind["fedavgm"] < 0.5 * behind["fedavg"]
