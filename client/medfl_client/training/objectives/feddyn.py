"""FedDyn: the site's loss is bent so that its minimum moves to the common one.

Acar, Zhao, Matas Navarro, Mattina, Whatmough, Saligrama: Federated Learning Based on Dynamic
Regularization. ICLR 2021. https://arxiv.org/abs/2111.04263
"""

from medfl_client.training.objectives import OBJECTIVES, ClientContext, Objective
from medfl_common.models.weights import Weights
from medfl_common.plan.algorithms.feddyn import FedDynOptions


@OBJECTIVES.register("feddyn")
class FedDyn(Objective):
    """Add -<g, w> + alpha / 2 * |w - global|^2 to the loss; g <- g - alpha (local - global)."""

    def __init__(self, context: ClientContext) -> None:
        self._context = context
        self._alpha = context.plan.federation.own(FedDynOptions).feddyn_alpha

    def edit_gradients(self) -> None:
        """Add the terms' gradients."""
        self._context.add_gradient(self._context.client_state, -1.0)
        self._context.add_proximal_gradient(self._context.start, self._alpha)

    def client_state(self, n_steps: int) -> Weights:
        """Give g."""
        before = self._context.client_state
        return {n: before.get(n, 0) - self._alpha * m for n, m in self._context.moved().items()}
