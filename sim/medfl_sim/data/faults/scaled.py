"""Sites whose updates are too large: a wrong unit, a broken program, or model replacement.

Bagdasaryan et al.: How To Backdoor Federated Learning. AISTATS 2020.
https://arxiv.org/abs/1807.00459
"""

import numpy as np

from medfl_common.models.weights import Weights
from medfl_common.plan.settings import Number, Settings
from medfl_sim.data.faults import FAULTS, Sites


@FAULTS.register("scaled")
class Scaled(Settings):
    """The update times a factor."""

    factor: Number
    """The site multiplies its update by this."""
    sites: Sites = 1
    """The affected sites: `all`, a number (the first of the roster), or a list of names."""

    def corrupt_update(self, update: Weights, rng: np.random.Generator) -> Weights:
        """Multiply the update."""
        return {name: tensor * self.factor for name, tensor in update.items()}
