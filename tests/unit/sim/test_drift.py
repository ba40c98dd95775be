"""Both halves of an algorithm together, on losses whose common minimum is known."""

import pytest
import torch
from tests.conftest import MakePlan
from torch import nn

from medfl_client.training.objectives import OBJECTIVES, ClientContext
from medfl_common.models.network import Network
from medfl_common.models.weights import Weights
from medfl_common.plan.halves import at_coordinator, objective_of
from medfl_common.plan.plan import load_plan
from medfl_server.aggregation.aggregator import aggregation_of
from medfl_server.aggregation.strategies import AggregationContext, UpdateInfo

# Two sites, losses h / 2 (w - a)^2: their sum is least at (1 * 0 + 4 * 5) / (1 + 4) = 4.
SITES = ((1.0, 0.0), (4.0, 5.0))
BEST = 4.0
RATE, STEPS, ROUNDS = 0.1, 10, 60


@pytest.mark.parametrize(
    ("strategy", "error"),
    [("fedavg", 0.5), ("fedprox", 0.5), ("scaffold", 1e-3), ("feddyn", 1e-3)],
)
def test_scaffold_and_feddyn_meet_at_the_common_minimum_and_fedavg_beside_it(
    strategy: str, error: float, make_plan: MakePlan
) -> None:
    plan = load_plan(
        make_plan(
            federation={"strategy": strategy, "options": {"feddyn_alpha": 1}},
            training={"momentum": 0},
        )
    )
    weights: Weights = {"w": torch.tensor([-3.0])}
    state: Weights = {}
    memories: list[Weights] = [{}, {}]
    for number in range(1, ROUNDS + 1):
        aggregation = aggregation_of(
            AggregationContext(plan.federation, plan.training, number, 2, RATE, state)
        )
        server_state = state if at_coordinator(plan.federation).sends_state else {}
        for site, (curvature, minimum) in enumerate(SITES):
            w = nn.Parameter(weights["w"].clone())
            model = Network(nn.Identity(), 1, 1)
            context = ClientContext(
                plan, RATE, model, {"w": w}, weights, memories[site], server_state
            )
            objective = OBJECTIVES.get(objective_of(plan))(context)
            for _ in range(STEPS):
                w.grad = curvature * (w.detach() - minimum)
                objective.edit_gradients()
                w.data -= RATE * w.grad
            memories[site] = objective.client_state(STEPS)
            aggregation.add({"w": w.detach() - weights["w"]}, UpdateInfo(50, STEPS))
        weights, state = aggregation.result(weights), aggregation.state()

    found = abs(float(weights["w"]) - BEST)
    assert found > error if strategy in ("fedavg", "fedprox") else found < error
