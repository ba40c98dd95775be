"""The guide's own example works as it is printed."""

import pytest
import torch
from tests.conftest import ROOT

from medfl_common.plan.federation import Federation
from medfl_server.aggregation.strategies import STRATEGIES, Round, Sent

GUIDE = ROOT / "docs" / "adding-an-algorithm.md"


def test_the_guides_strategy_forgets_the_largest_update() -> None:
    code = GUIDE.read_text().split("```python\n")[1].split("```")[0]
    exec(compile(code, str(GUIDE), "exec"), {})
    federation = Federation.model_validate({"rounds": 1, "strategy": "without_largest"})
    fold = STRATEGIES.get("without_largest")(Round(federation))
    for value in (1.0, -90.0, 3.0):
        fold.add({"w": torch.tensor([value])}, Sent(5))

    assert float(fold.result({"w": torch.tensor([10.0])})["w"]) == pytest.approx(12.0)
