"""SCAFFOLD: each step is corrected by how this site's gradients differ from all sites'.

Karimireddy, Kale, Mohri, Reddi, Stich, Suresh: SCAFFOLD: Stochastic Controlled Averaging for
Federated Learning. ICML 2020. https://arxiv.org/abs/1910.06378
The coordinator's half works out what this one keeps from the update: nothing more is sent.
"""

import torch

from medfl_client.training.objectives import OBJECTIVES, ClientContext, Objective
from medfl_common.models.weights import Weights
from medfl_common.plan.training import effective_steps


@OBJECTIVES.register("scaffold")
class Scaffold(Objective):
    """Add c - c_k to the gradient; then c_k <- c_k - c - (local - global) / (rate a).

    The paper's option II. With momentum, a counts the plain steps that the steps come to; without
    it is their number.
    """

    def __init__(self, context: ClientContext) -> None:
        self._context = context
        zeros = {name: torch.zeros_like(p) for name, p in context.parameters.items()}
        own, common = zeros | context.client_state, zeros | context.server_state
        self._correction = {name: common[name] - own[name] for name in zeros}

    def edit_gradients(self) -> None:
        """Correct a step."""
        self._context.add_gradient(self._correction)

    def client_state(self, n_steps: int) -> Weights:
        """Give c_k."""
        way = self._context.rate * effective_steps(n_steps, self._context.plan.training.momentum)
        moved = self._context.moved()
        return {name: -c - moved[name] / way for name, c in self._correction.items()}
