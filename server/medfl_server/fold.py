"""One round's updates: trained weights to the strategy, running statistics to their pool."""

from collections.abc import Mapping

import torch

from medfl_common.errors import ConfigError
from medfl_common.files import Json
from medfl_common.params import Weights
from medfl_common.plan import Federation, Plan
from medfl_common.records import TrainResult
from medfl_server.running_statistics import PooledStatistics, is_statistic
from medfl_server.stand_out import Comparison
from medfl_server.strategies import STRATEGIES


def quorum_of(federation: Federation, n_sites: int) -> int:
    """Count the valid replies that a round needs: the plan's wish, and its strategy's need."""
    n_asked = min(n_sites, federation.sites_per_round or n_sites)
    wanted = max(n_asked, 1) if federation.min_sites == "all" else federation.min_sites
    return max(wanted, STRATEGIES.get(federation.strategy)(federation).needs)


def check_roster(federation: Federation, n_sites: int) -> None:
    """Raise ConfigError where so few sites take part that no round could be made."""
    needed = quorum_of(federation, n_sites)
    if min(n_sites, federation.sites_per_round or n_sites) < needed:
        rule = STRATEGIES.get(federation.strategy)(federation).needs
        raise ConfigError(
            f"{n_sites} hospitals take part, but a round of this plan needs {needed} valid replies "
            f"(min_sites {federation.min_sites}; sites_per_round "
            f"{federation.sites_per_round or 'all'}; strategy {federation.strategy}: {rule}); "
            "enrol more of them, or agree on another plan"
        )


class RoundFold:
    """Takes each site's admitted update in the roster's order.

    Args:
        plan: Names the strategy.
        before: The shared weights that the updates are changes of.
    """

    def __init__(self, plan: Plan, before: Mapping[str, torch.Tensor]) -> None:
        self._fold = STRATEGIES.get(plan.federation.strategy)(plan.federation)
        self._statistics = PooledStatistics(before)
        self._comparison = Comparison()
        self._before = before

    def add(self, site: str, result: TrainResult) -> None:
        """Fold in one site's update."""
        update = result.update or {}
        trained = {name: t for name, t in update.items() if not is_statistic(name)}
        self._comparison.add(site, trained)
        self._fold.add(trained, result.n_images)
        self._statistics.add(update, result.n_images, result.n_steps)

    def comparison(self) -> dict[str, dict[str, Json]]:
        """Give what the log keeps of each site's update beside the others'."""
        return self._comparison.result()

    def result(self) -> Weights:
        """Give the shared weights after the round, in their order."""
        trained = {name: t for name, t in self._before.items() if not is_statistic(name)}
        after = self._fold.result(trained) | self._statistics.result()
        return {name: after[name] for name in self._before}
