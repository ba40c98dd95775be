import pytest
import torch

from medfl_common.errors import ConfigError
from medfl_common.plan import Plan
from medfl_server.strategies import STRATEGIES


def test_updates_are_weighted_by_images(plan: Plan) -> None:
    fold = STRATEGIES.get("fedavg")(plan.federation)
    fold.add({"w": torch.tensor([1.0, 0.0])}, 30)
    fold.add({"w": torch.tensor([0.0, 4.0])}, 10)

    assert fold.result({"w": torch.tensor([10.0, 10.0])})["w"].tolist() == [10.75, 11.0]


def test_an_unknown_strategy_names_the_choices() -> None:
    with pytest.raises(ConfigError, match="unknown strategy 'fedavgg'; known: bulyan, fedavg"):
        STRATEGIES.get("fedavgg")
