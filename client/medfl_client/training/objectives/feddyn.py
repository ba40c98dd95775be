"""FedDyn: the site's loss is bent so that its minimum moves to the common one.

Acar, Zhao, Matas Navarro, Mattina, Whatmough, Saligrama: Federated Learning Based on Dynamic
Regularization. ICLR 2021. https://arxiv.org/abs/2111.04263
"""

from medfl_client.training.objectives import OBJECTIVES, LocalRound, Objective
from medfl_common.models.weights import Weights
from medfl_common.plan.algorithms.feddyn import FedDynOptions


@OBJECTIVES.register("feddyn")
class FedDyn(Objective):
    """Add -<g, w> + alpha / 2 * |w - global|^2 to the loss; g <- g - alpha (local - global)."""

    def __init__(self, here: LocalRound) -> None:
        self._here, self._alpha = here, here.plan.federation.own(FedDynOptions).feddyn_alpha

    def edit_gradients(self) -> None:
        """Add the terms' gradients."""
        self._here.push(self._here.memory, -1.0)
        self._here.pull(self._here.start, self._alpha)

    def keep(self, n_steps: int) -> Weights:
        """Give g."""
        before = self._here.memory
        return {n: before.get(n, 0) - self._alpha * m for n, m in self._here.moved().items()}
