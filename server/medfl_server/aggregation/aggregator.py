"""One round's updates: trained weights to the strategy, running statistics to their pool."""

from collections.abc import Mapping

import torch

from medfl_common.errors import ConfigError, RunError
from medfl_common.files import Json
from medfl_common.models.norms import is_statistic
from medfl_common.models.weights import Weights, is_finite
from medfl_common.parts.rules import RULES
from medfl_common.plan.federation import Federation
from medfl_common.plan.halves import at_coordinator
from medfl_common.plan.plan import Plan
from medfl_common.wire.results import TrainResult
from medfl_server.aggregation.batchnorm import PooledStatistics
from medfl_server.aggregation.outliers import Comparison
from medfl_server.aggregation.own_rule import OwnAggregation
from medfl_server.aggregation.strategies import (
    STRATEGIES,
    Aggregation,
    AggregationContext,
    UpdateInfo,
)


def quorum_of(federation: Federation, n_sites: int) -> int:
    """Count the valid replies that a round needs: the plan's wish, and its strategy's need."""
    asked = min(n_sites, n_asked(federation, n_sites))
    wanted = max(asked, 1) if federation.min_sites == "all" else federation.min_sites
    return max(wanted, needs(federation))


def needs(federation: Federation) -> int:
    """Count the updates below which the strategy's rule says nothing."""
    return aggregation_of(AggregationContext(federation)).needs


def aggregation_of(context: AggregationContext) -> Aggregation:
    """Make one round of the plan's strategy; raises ConfigError where it is unknown."""
    name = at_coordinator(context.federation).name
    if RULES.has(name):
        return OwnAggregation(name, RULES.get(name))
    return STRATEGIES.get(name)(context)


def n_asked(federation: Federation, n_sites: int) -> int:
    """Count the sites of whose replies a round is made."""
    algorithm = at_coordinator(federation)
    if algorithm.buffer is not None:
        return int(getattr(federation.options, algorithm.buffer.size))
    return algorithm.choice.n if algorithm.choice else federation.sites_per_round or n_sites


def check_roster(federation: Federation, n_sites: int) -> None:
    """Raise ConfigError where so few sites take part that no round could be made."""
    needed = quorum_of(federation, n_sites)
    if min(n_sites, n_asked(federation, n_sites)) < needed:
        rule = needs(federation)
        raise ConfigError(
            f"{n_sites} hospitals take part, but a round of this plan needs {needed} valid "
            f"replies (min_sites {federation.min_sites}; sites_per_round "
            f"{federation.sites_per_round or 'all'}; strategy {federation.strategy}: {rule})",
            todo="enrol more of them, or agree on another plan",
        )


class BrokenRoundError(RunError):
    """The updates of a round, each of them finite, make a model that is not.

    Args:
        site: Whose update holds the largest value.
        largest: The value.
    """

    def __init__(self, site: str, largest: float) -> None:
        super().__init__(
            f"the round would make a model with a NaN or an infinity; the largest value of the "
            f"round, {largest:.3g}, is in this update"
        )
        self.site = site


class RoundAggregation:
    """Takes each site's admitted update in the roster's order.

    Args:
        plan: Names the strategy.
        before: The shared weights that the updates are changes of.
        number: The round.
        n_sites: How many are on the roster.
        state: What the strategy kept after the round before.
    """

    def __init__(
        self,
        plan: Plan,
        before: Mapping[str, torch.Tensor],
        number: int = 1,
        n_sites: int = 1,
        state: Weights | None = None,
    ) -> None:
        rate, self._number = plan.learning_rate(number), number
        self._aggregation = aggregation_of(
            AggregationContext(plan.federation, plan.training, number, n_sites, rate, state or {})
        )
        self._statistics = PooledStatistics(before)
        self._comparison = Comparison()
        self._before, self._state = before, state or {}
        self._largest: dict[str, float] = {}  # value of each site's update

    def add(self, site: str, result: TrainResult) -> None:
        """Add one site's update; it may have been asked for some rounds ago."""
        update = result.update or {}
        trained = {name: t for name, t in update.items() if not is_statistic(name)}
        self._comparison.add(site, trained, result.update_norm)
        self._largest[site] = max(result.largest, default=0.0)
        info = UpdateInfo(
            result.n_images, result.n_steps, result.start_loss or 0.0, self._number - result.round
        )
        self._aggregation.add(trained, info)
        self._statistics.add(update, result.n_images, result.n_steps)

    def comparison(self) -> dict[str, dict[str, Json]]:
        """Give what the log keeps of each site's update beside the others'."""
        return self._comparison.result()

    def result(self) -> Weights:
        """Give the shared weights after the round, in their order."""
        trained = {name: t for name, t in self._before.items() if not is_statistic(name)}
        after = self._aggregation.result(trained) | self._statistics.result()
        return {name: after[name] for name in self._before}

    def finish(self) -> tuple[Weights, Weights]:
        """Give the result and the state; raises BrokenRoundError unless both are finite."""
        try:
            after, state = self.result(), self.state()
            if is_finite(after) and is_finite(state):
                return after, state
        except ArithmeticError:
            pass
        site = max(self._largest, key=lambda name: self._largest[name])
        raise BrokenRoundError(site, self._largest[site])

    def unchanged(self) -> tuple[Weights, Weights]:
        """Give the weights and the state as they were before the round."""
        return dict(self._before), self._state

    def state(self) -> Weights:
        """Give what the strategy needs for the next round; called after `result`."""
        return self._aggregation.state()
