"""Sites that push the other way.

Li et al.: RSA: Byzantine-Robust Stochastic Aggregation Methods. AAAI 2019.
https://arxiv.org/abs/1811.03761
"""

import numpy as np

from medfl_common.models.weights import Weights
from medfl_common.plan.settings import Number, Settings
from medfl_sim.data.faults import FAULTS, Sites


@FAULTS.register("sign_flip")
class SignFlip(Settings):
    """The update with its sign changed, times a factor."""

    factor: Number = 1.0
    """The opposite of the update is multiplied by this."""
    sites: Sites = 1
    """The sites it strikes: `all`, so many (the first of the roster), or these."""

    def corrupt_update(self, update: Weights, rng: np.random.Generator) -> Weights:
        """Give the opposite of the update."""
        return {name: tensor * -self.factor for name, tensor in update.items()}
