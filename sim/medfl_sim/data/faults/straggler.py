"""Sites that are slow."""

from typing import Annotated

import numpy as np
from pydantic import Field

from medfl_common.plan.settings import Number, Settings
from medfl_sim.data.faults import FAULTS, Sites


@FAULTS.register("straggler")
class Straggler(Settings):
    """A site takes some simulated seconds for a round, drawn anew between two bounds.

    The simulation does not wait: a site beyond the plan's deadline misses the round, and the log
    shows the simulated seconds of the others. A deadline of `auto` follows these seconds. FedBuff
    has no barrier: there the site's update comes in a later round.
    """

    time_s: Annotated[list[Annotated[Number, Field(ge=0)]], Field(min_length=2, max_length=2)]
    """`[low, high]`: bounds of a round's simulated seconds."""
    sites: Sites = "all"
    """The affected sites: `all`, a number (the first of the roster), or a list of names."""

    def seconds(self, rng: np.random.Generator) -> float:
        """Draw the time of a round."""
        low, high = self.time_s
        return float(rng.uniform(low, high))
