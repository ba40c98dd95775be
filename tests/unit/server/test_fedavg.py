import pytest
import torch

from medfl_common.errors import ConfigError
from medfl_common.plan.federation import Federation
from medfl_common.plan.plan import Plan
from medfl_server.aggregation.aggregator import quorum_of
from medfl_server.aggregation.strategies import STRATEGIES, AggregationContext, UpdateInfo


def test_updates_are_weighted_by_images(plan: Plan) -> None:
    aggregation = STRATEGIES.get("fedavg")(AggregationContext(plan.federation))
    aggregation.add({"w": torch.tensor([1.0, 0.0])}, UpdateInfo(30))
    aggregation.add({"w": torch.tensor([0.0, 4.0])}, UpdateInfo(10))

    assert aggregation.result({"w": torch.tensor([10.0, 10.0])})["w"].tolist() == [10.75, 11.0]


def test_an_unknown_strategy_names_the_choices() -> None:
    federation = Federation.model_validate({"rounds": 1, "strategy": "fedavgg"})
    with pytest.raises(ConfigError, match=r"'fedavgg'; known: bulyan, cyclic, .*fedprox"):
        quorum_of(federation, 3)
