"""FedAdagrad: Adagrad at the coordinator; a weight that has moved much moves less.

Reddi, Charles, Zaheer, Garrett, Rush, Konecny, Kumar, McMahan: Adaptive Federated Optimization.
ICLR 2021.
https://arxiv.org/abs/2003.00295

v <- v + d^2, w <- w + eta d / (sqrt(v) + tau), d: mean update
"""

from typing import Annotated

from pydantic import Field

from medfl_common.plan.algorithms import Algorithm, register
from medfl_common.plan.reference import Reference
from medfl_common.plan.settings import Number, Settings


class FedAdagradOptions(Settings):
    """Numbers of FedAdagrad."""

    adaptive_lr: Annotated[Number, Field(gt=0, le=10)] = 0.01
    """Learning rate at the coordinator, eta."""
    tau: Annotated[Number, Field(gt=0, le=1)] = 0.001
    """Added to the root of the second moment; the larger, the less adaptive."""


FEDADAGRAD = register(
    Algorithm(
        name="fedadagrad",
        paper="https://arxiv.org/abs/2003.00295",
        reference=Reference(
            "Reddi, Sashank J. and Charles, Zachary and Zaheer, Manzil and Garrett, Zachary and "
            "Rush, Keith and Konečný, Jakub and Kumar, Sanjiv and McMahan, H. Brendan",
            "Adaptive Federated Optimization",
            2021,
            "ICLR",
        ),
        strategy="fedadagrad",
        options=FedAdagradOptions,
        in_every_hash=True,
        is_mean=True,
        bears_noise=True,
    )
)
