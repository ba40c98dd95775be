"""Which sites a round asks."""

from collections.abc import Sequence

from medfl_common.plan.halves import at_coordinator
from medfl_common.plan.plan import Plan
from medfl_common.seeds import numpy_generator


def choose_sites(plan: Plan, roster: Sequence[str], round_: int) -> set[str]:
    """Draw the sites that a round asks (McMahan et al., AISTATS 2017: the fraction C)."""
    choice = at_coordinator(plan.federation).choice
    if choice is not None:
        return choice.sites(roster, round_)
    n = min(plan.federation.sites_per_round or len(roster), len(roster))
    drawn = numpy_generator(plan.seed, "sites of the round", round_).permutation(len(roster))[:n]
    return {roster[i] for i in drawn}
