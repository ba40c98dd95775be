"""MOON: an image's features stay near those of the common model, away from the last local one's.

Li, He, Song: Model-Contrastive Federated Learning. CVPR 2021. https://arxiv.org/abs/2103.16257
Two more networks look at every batch, without gradients. Features are those before the head.
"""

from copy import deepcopy

import torch
from torch import nn

from medfl_client.training.objectives import OBJECTIVES, ClientContext, Objective
from medfl_common.models.network import Network, of_image
from medfl_common.models.weights import Weights, load_shared, shared_weights
from medfl_common.plan.algorithms.moon import MoonOptions


@OBJECTIVES.register("moon")
class Moon(Objective):
    """Add mu times -log(e^(s_global / t) / (e^(s_global / t) + e^(s_last / t))), s: cosines."""

    def __init__(self, context: ClientContext) -> None:
        options = context.plan.federation.own(MoonOptions)
        self._context = context
        self._mu, self._temperature = options.moon_mu, options.moon_temperature
        self._common, self._last = _copy(context.model), _copy(context.model)
        load_shared(self._last, context.client_state)
        self._features = torch.zeros(0)
        self._hook = context.model.head.register_forward_pre_hook(self._look)

    def extra_loss(self, pixels: torch.Tensor) -> torch.Tensor:
        """Compare the batch's features."""
        with torch.no_grad():
            common, last = self._common.features(pixels), self._last.features(pixels)
        own = self._features.float()
        cosines = [nn.functional.cosine_similarity(own, z.float()) for z in (common, last)]
        logits = torch.stack(cosines, dim=1) / self._temperature
        return self._mu * -nn.functional.log_softmax(logits, dim=1)[:, 0].mean()

    def client_state(self, n_steps: int) -> Weights:
        """Give the local model."""
        return shared_weights(self._context.model)

    def close(self) -> None:
        """Stop looking."""
        self._hook.remove()

    def _look(self, head: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        self._features = of_image(inputs[0])


def _copy(model: Network) -> Network:
    copied = deepcopy(model).eval()
    return copied.requires_grad_(False)
