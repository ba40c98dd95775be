"""FedAvgM: federated averaging with momentum at the coordinator.

Hsu, Qi, Brown: Measuring the Effects of Non-Identical Data Distribution for Federated Visual
Classification. 2019.
https://arxiv.org/abs/1909.06335

v <- momentum * v + mean update, w <- w + lr * v
"""

from typing import Annotated

from pydantic import Field

from medfl_common.plan.algorithms import Algorithm, register
from medfl_common.plan.reference import Reference
from medfl_common.plan.settings import Number, Settings


class FedAvgMOptions(Settings):
    """Numbers of FedAvgM."""

    server_lr: Annotated[Number, Field(gt=0, le=10)] = 1.0
    """Learning rate at the coordinator, by which the round's change is multiplied."""
    server_momentum: Annotated[Number, Field(ge=0, lt=1)] = 0.9
    """Momentum of the coordinator's steps."""


FEDAVGM = register(
    Algorithm(
        name="fedavgm",
        paper="https://arxiv.org/abs/1909.06335",
        reference=Reference(
            "Hsu, Tzu-Ming Harry and Qi, Hang and Brown, Matthew",
            "Measuring the Effects of Non-Identical Data Distribution for Federated Visual "
            "Classification",
            2019,
        ),
        strategy="fedavgm",
        options=FedAvgMOptions,
        in_every_hash=True,
        is_mean=True,
        bears_noise=True,
    )
)
