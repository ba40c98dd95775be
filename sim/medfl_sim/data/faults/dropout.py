"""Sites that miss some rounds."""

import math
from typing import Annotated

import numpy as np
from pydantic import Field

from medfl_common.plan.settings import Number, Settings
from medfl_sim.data.faults import FAULTS, Sites


@FAULTS.register("dropout")
class Dropout(Settings):
    """Each site misses each round with this probability, independently."""

    probability: Annotated[Number, Field(ge=0, le=1)]
    """The probability that a site misses a round."""
    sites: Sites = "all"
    """The affected sites: `all`, a number (the first of the roster), or a list of names."""

    def seconds(self, rng: np.random.Generator) -> float:
        """Draw 0 or infinity."""
        return math.inf if rng.random() < self.probability else 0.0
