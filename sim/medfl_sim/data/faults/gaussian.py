"""Sites that send noise.

Blanchard et al.: Machine Learning with Adversaries: Byzantine Tolerant Gradient Descent. NIPS 2017.
"""

from typing import Annotated

import numpy as np
import torch
from pydantic import Field

from medfl_common.models.weights import Weights
from medfl_common.plan.settings import Number, Settings
from medfl_sim.data.faults import FAULTS, Sites


@FAULTS.register("gaussian")
class Gaussian(Settings):
    """Gaussian noise in place of the update, with a multiple of the update's standard deviation."""

    factor: Annotated[Number, Field(gt=0)] = 1.0
    """Standard deviation of the noise, as a multiple of the update's."""
    sites: Sites = 1
    """The affected sites: `all`, a number (the first of the roster), or a list of names."""

    def corrupt_update(self, update: Weights, rng: np.random.Generator) -> Weights:
        """Draw noise, tensor by tensor."""
        return {name: self._noise(tensor, rng) for name, tensor in update.items()}

    def _noise(self, like: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        scale = self.factor * float(like.std(correction=0))
        return torch.from_numpy(rng.normal(0, scale, tuple(like.shape))).to(like.dtype)
