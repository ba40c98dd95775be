"""FedRep: the site's own head is trained first, then the shared layers below it.

Collins, Hassani, Mokhtari, Shakkottai: Exploiting Shared Representations for Personalized Federated
Learning. ICML 2021.
https://arxiv.org/abs/2102.07078

head <- argmin over the head with the body fixed, then the body's steps; w <- FedAvg's, of the body
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from medfl_common.plan.algorithms import Algorithm, register
from medfl_common.plan.reference import Reference
from medfl_common.plan.settings import Settings

if TYPE_CHECKING:
    from medfl_common.plan.plan import Plan


class FedRepOptions(Settings):
    """Numbers of FedRep."""

    fedrep_head_epochs: int = Field(default=1, ge=1, le=1000)
    """So many of a round's epochs train the head alone, before the others train the body."""


def _why_unfit(plan: Plan) -> str:
    if plan.training.fewest_epochs <= plan.federation.own(FedRepOptions).fedrep_head_epochs:
        return "fedrep needs more training.epochs than options.fedrep_head_epochs"
    return ""


FEDREP = register(
    Algorithm(
        name="fedrep",
        paper="https://arxiv.org/abs/2102.07078",
        reference=Reference(
            "Collins, Liam and Hassani, Hamed and Mokhtari, Aryan and Shakkottai, Sanjay",
            "Exploiting Shared Representations for Personalized Federated Learning",
            2021,
            "ICML",
        ),
        strategy="fedavg",
        objective="fedrep",
        options=FedRepOptions,
        in_every_hash=True,
        local_layers="head",
        why_unfit=_why_unfit,
        is_mean=True,
    )
)
