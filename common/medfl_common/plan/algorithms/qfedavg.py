"""q-FedAvg: sites on which the model is worse count more.

Li, Sanjabi, Beirami, Smith: Fair Resource Allocation in Federated Learning. ICLR 2020.
https://arxiv.org/abs/1905.10497

w <- w - sum_k(F_k^q d_k) / sum_k(q F_k^(q-1) |d_k|^2 + L F_k^q), d_k = -L update_k
"""

from typing import Annotated

from pydantic import Field

from medfl_common.plan.algorithms import Algorithm, register
from medfl_common.plan.reference import Reference
from medfl_common.plan.settings import Number, Settings


class QFedAvgOptions(Settings):
    """Numbers of QFedAvg."""

    q: Annotated[Number, Field(ge=0, le=10)] = 1.0
    """How much more a site with a larger loss counts; 0: all sites count alike."""


QFEDAVG = register(
    Algorithm(
        name="qfedavg",
        paper="https://arxiv.org/abs/1905.10497",
        reference=Reference(
            "Li, Tian and Sanjabi, Maziar and Beirami, Ahmad and Smith, Virginia",
            "Fair Resource Allocation in Federated Learning",
            2020,
            "ICLR",
        ),
        strategy="qfedavg",
        options=QFedAvgOptions,
        in_every_hash=True,
        needs_start_loss=True,
    )
)
