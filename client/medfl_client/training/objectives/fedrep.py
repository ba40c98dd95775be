"""FedRep: the site's own head is trained first, then the shared layers below it.

Collins, Hassani, Mokhtari, Shakkottai: Exploiting Shared Representations for Personalized Federated
Learning. ICML 2021. https://arxiv.org/abs/2102.07078
"""

from medfl_client.training.objectives import OBJECTIVES, ClientContext, Objective
from medfl_common.plan.algorithms.fedrep import FedRepOptions


@OBJECTIVES.register("fedrep")
class FedRep(Objective):
    """The task's loss, over the head alone for fedrep_head_epochs, then over the shared layers."""

    def __init__(self, context: ClientContext) -> None:
        self._head = [p for p in context.model.head.parameters() if p.requires_grad]
        self._shared = [*context.parameters.values()]
        self._n_head = context.plan.federation.own(FedRepOptions).fedrep_head_epochs

    def before_epoch(self, epoch: int) -> None:
        """Choose what is trained."""
        self._train(epoch < self._n_head, epoch >= self._n_head)

    def close(self) -> None:
        """Let all be trained again."""
        self._train(True, True)

    def _train(self, head: bool, shared: bool) -> None:
        for parameters, is_trained in ((self._head, head), (self._shared, shared)):
            for parameter in parameters:
                parameter.requires_grad_(is_trained)
                parameter.grad = None
