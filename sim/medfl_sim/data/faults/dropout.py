"""Sites that are away from some rounds."""

import math
from typing import Annotated

import numpy as np
from pydantic import Field

from medfl_common.plan.settings import Number, Settings
from medfl_sim.data.faults import FAULTS, Sites


@FAULTS.register("dropout")
class Dropout(Settings):
    """In each round a site is away with this probability, each round anew."""

    probability: Annotated[Number, Field(ge=0, le=1)]
    """The probability that a site is away from a round."""
    sites: Sites = "all"
    """The sites it strikes: `all`, so many (the first of the roster), or these."""

    def seconds(self, rng: np.random.Generator) -> float:
        """Draw 0 or infinity."""
        return math.inf if rng.random() < self.probability else 0.0
