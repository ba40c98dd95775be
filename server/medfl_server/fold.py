"""One round's updates: trained weights to the strategy, running statistics to their pool."""

from collections.abc import Mapping

import torch

from medfl_common.params import Weights
from medfl_common.plan import Plan
from medfl_common.records import TrainResult
from medfl_server.running_statistics import PooledStatistics, is_statistic
from medfl_server.strategies import STRATEGIES


class RoundFold:
    """Takes each site's admitted update in the roster's order.

    Args:
        plan: Names the strategy.
        before: The shared weights that the updates are changes of.
    """

    def __init__(self, plan: Plan, before: Mapping[str, torch.Tensor]) -> None:
        self._fold = STRATEGIES.get(plan.federation.strategy)()
        self._statistics = PooledStatistics(before)
        self._before = before

    def add(self, site: str, result: TrainResult) -> None:
        """Fold in one site's update."""
        update = result.update or {}
        trained = {name: t for name, t in update.items() if not is_statistic(name)}
        self._fold.add(trained, result.n_images)
        self._statistics.add(update, result.n_images, result.n_steps)

    def result(self) -> Weights:
        """Give the shared weights after the round, in their order."""
        trained = {name: t for name, t in self._before.items() if not is_statistic(name)}
        after = self._fold.result(trained) | self._statistics.result()
        return {name: after[name] for name in self._before}
