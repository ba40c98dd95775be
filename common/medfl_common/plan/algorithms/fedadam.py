"""FedAdam: the mean update is the gradient of Adam at the coordinator.

Reddi, Charles, Zaheer, Garrett, Rush, Konecny, Kumar, McMahan: Adaptive Federated Optimization.
ICLR 2021.
https://arxiv.org/abs/2003.00295

m <- b1 m + (1 - b1) d, v <- b2 v + (1 - b2) d^2, w <- w + eta m / (sqrt(v) + tau), d: mean update
"""

from typing import Annotated

from pydantic import Field

from medfl_common.plan.algorithms import Algorithm, register
from medfl_common.plan.reference import Reference
from medfl_common.plan.settings import Number, Settings


class FedAdamOptions(Settings):
    """Numbers of FedAdam."""

    adaptive_lr: Annotated[Number, Field(gt=0, le=10)] = 0.01
    """Learning rate at the coordinator, eta."""
    beta_1: Annotated[Number, Field(ge=0, lt=1)] = 0.9
    """Decay of the first moment."""
    beta_2: Annotated[Number, Field(ge=0, lt=1)] = 0.99
    """Decay of the second moment."""
    tau: Annotated[Number, Field(gt=0, le=1)] = 0.001
    """Added to the root of the second moment; the larger, the less adaptive."""


FEDADAM = register(
    Algorithm(
        name="fedadam",
        paper="https://arxiv.org/abs/2003.00295",
        reference=Reference(
            "Reddi, Sashank J. and Charles, Zachary and Zaheer, Manzil and Garrett, Zachary and "
            "Rush, Keith and Konečný, Jakub and Kumar, Sanjiv and McMahan, H. Brendan",
            "Adaptive Federated Optimization",
            2021,
            "ICLR",
        ),
        strategy="fedadam",
        options=FedAdamOptions,
        in_every_hash=True,
        is_mean=True,
        bears_noise=True,
    )
)
