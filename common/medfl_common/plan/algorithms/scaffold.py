"""SCAFFOLD: control variates take out how the sites' gradients differ.

Karimireddy, Kale, Mohri, Reddi, Stich, Suresh: SCAFFOLD: Stochastic Controlled Averaging for
Federated Learning. ICML 2020.
https://arxiv.org/abs/1910.06378

gradient + c - c_k; c_k <- c_k - c - update_k / (rate a_k), c <- c + n / N * mean_k(c'_k - c_k)
"""

from typing import Annotated

from pydantic import Field

from medfl_common.plan.algorithms import Algorithm, register
from medfl_common.plan.reference import Reference
from medfl_common.plan.settings import Number, Settings


class ScaffoldOptions(Settings):
    """Numbers of Scaffold."""

    server_lr: Annotated[Number, Field(gt=0, le=10)] = 1.0
    """Learning rate at the coordinator, by which the round's change is multiplied."""


SCAFFOLD = register(
    Algorithm(
        name="scaffold",
        paper="https://arxiv.org/abs/1910.06378",
        reference=Reference(
            "Karimireddy, Sai Praneeth and Kale, Satyen and Mohri, Mehryar and Reddi, Sashank J. "
            "and Stich, Sebastian U. and Suresh, Ananda Theertha",
            "SCAFFOLD: Stochastic Controlled Averaging for Federated Learning",
            2020,
            "ICML",
        ),
        strategy="scaffold",
        objective="scaffold",
        options=ScaffoldOptions,
        in_every_hash=True,
        is_paired=True,
        needs_sgd=True,
        sends_state=True,
        kept_at_site="how gradients here differ from the others' (a control variate)",
    )
)
