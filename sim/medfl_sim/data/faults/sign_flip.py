"""Sites that send the opposite of their update.

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
    """The site multiplies the opposite of its update by this."""
    sites: Sites = 1
    """The affected sites: `all`, a number (the first of the roster), or a list of names."""

    def corrupt_update(self, update: Weights, rng: np.random.Generator) -> Weights:
        """Return the opposite of the update, times the factor."""
        return {name: tensor * -self.factor for name, tensor in update.items()}
