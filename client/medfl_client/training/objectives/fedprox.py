"""FedProx: a pull to the round's weights, so that sites do not go far their own ways.

Li, Sahu, Zaheer, Sanjabi, Talwalkar, Smith: Federated Optimization in Heterogeneous Networks.
MLSys 2020. https://arxiv.org/abs/1812.06127
"""

from medfl_client.training.objectives import OBJECTIVES, ClientContext, Objective
from medfl_common.plan.algorithms.fedprox import FedProxOptions


@OBJECTIVES.register("fedprox")
class FedProx(Objective):
    """Add mu / 2 * |w - global|^2 to the loss."""

    def __init__(self, context: ClientContext) -> None:
        self._context = context
        self._mu = context.plan.federation.own(FedProxOptions).fedprox_mu

    def edit_gradients(self) -> None:
        """Add the gradient of the proximal term."""
        self._context.add_proximal_gradient(self._context.start, self._mu)
