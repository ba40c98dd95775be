"""SCAFFOLD: control variates that take out how the sites' gradients differ.

Karimireddy, Kale, Mohri, Reddi, Stich, Suresh: SCAFFOLD: Stochastic Controlled Averaging for
Federated Learning. ICML 2020. https://arxiv.org/abs/1910.06378
"""

from collections.abc import Mapping

import torch

from medfl_common.models.weights import Weights
from medfl_common.plan.algorithms.scaffold import ScaffoldOptions
from medfl_common.plan.training import effective_steps
from medfl_server.aggregation.strategies import STRATEGIES, AggregationContext, UpdateInfo
from medfl_server.aggregation.strategies._sums import RunningSum


@STRATEGIES.register("scaffold")
class Scaffold:
    """w <- w + lr * mean_k(update_k), c <- c + n / N * mean_k(c'_k - c_k) over the round's n sites.

    By the paper's option II, c'_k - c_k = -c - update_k / (rate a_k), a_k the plain steps that the
    site's come to: all of it is known here, so a site sends its update and nothing more. The sites
    are sent c with the weights. Means are weighted by images, so c is the gradient of the loss over
    all images; the paper counts sites alike.
    """

    needs = 1

    def __init__(self, context: AggregationContext) -> None:
        self._context = context
        self._mean, self._gradients = RunningSum(), RunningSum()
        self._n_updates = 0

    def add(self, update: Mapping[str, torch.Tensor], info: UpdateInfo) -> None:
        """Add one site's update, and the mean gradient that it tells of."""
        self._mean.add(update, info.n_images)
        steps = effective_steps(info.n_steps, self._context.training.momentum)
        way = -self._context.rate * steps
        self._gradients.add({name: t / way for name, t in update.items()}, info.n_images)
        self._n_updates += 1

    def result(self, weights: Mapping[str, torch.Tensor]) -> Weights:
        """Give the weights after the round."""
        mean, rate = self._mean.mean(), self._context.federation.own(ScaffoldOptions).server_lr
        return {name: w + rate * mean[name] for name, w in weights.items()}

    def state(self) -> Weights:
        """Give the control variate c."""
        before, part = self._context.state, self._n_updates / self._context.n_sites
        return {
            name: before.get(name, 0) * (1 - part) + gradient * part
            for name, gradient in self._gradients.mean().items()
        }
