"""Ditto: beside the common model each site trains one of its own, pulled to the common one.

Li, Hu, Beirami, Smith: Ditto: Fair and Robust Federated Learning Through Personalization.
ICML 2021. https://arxiv.org/abs/2012.04221
The site's own model stays there; what leaves is FedAvg's update.
"""

from medfl_client.training.objectives import OBJECTIVES, ClientContext, Objective
from medfl_common.plan.algorithms.ditto import DittoOptions


@OBJECTIVES.register("ditto")
class Ditto(Objective):
    """The task's loss; for the own model, lambda / 2 * |own - global|^2 more."""

    def __init__(self, context: ClientContext) -> None:
        self._context = context

    def personal_objective(self) -> Objective:
        """Add lambda / 2 * |own - global|^2 to the own model's loss."""
        return _Own(self._context)


class _Own(Objective):
    def __init__(self, context: ClientContext) -> None:
        self._context = context
        self._lambda = context.plan.federation.own(DittoOptions).ditto_lambda

    def edit_gradients(self) -> None:
        self._context.add_proximal_gradient(self._context.start, self._lambda)
