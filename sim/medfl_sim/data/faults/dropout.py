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
    sites: Sites = "all"

    def seconds(self, rng: np.random.Generator) -> float:
        """Draw 0 or infinity."""
        return math.inf if rng.random() < self.probability else 0.0
