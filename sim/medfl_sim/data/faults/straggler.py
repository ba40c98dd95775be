"""Sites that are slow."""

from typing import Annotated

import numpy as np
from pydantic import Field

from medfl_common.plan.settings import Number, Settings
from medfl_sim.data.faults import FAULTS, Sites


@FAULTS.register("straggler")
class Straggler(Settings):
    """A site takes so many simulated seconds for a round, drawn anew from between two numbers.

    Nobody waits for them: a site that would pass the plan's deadline misses the round, and the log
    shows the simulated seconds of the others.
    """

    time_s: Annotated[list[Annotated[Number, Field(ge=0)]], Field(min_length=2, max_length=2)]
    """`[low, high]`: between these a round takes, in simulated seconds."""
    sites: Sites = "all"
    """The sites it strikes: `all`, so many (the first of the roster), or these."""

    def seconds(self, rng: np.random.Generator) -> float:
        """Draw the time of a round."""
        low, high = self.time_s
        return float(rng.uniform(low, high))
