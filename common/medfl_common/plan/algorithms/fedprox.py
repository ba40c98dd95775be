"""FedProx: a pull to the round's weights in every step.

Li, Sahu, Zaheer, Sanjabi, Talwalkar, Smith: Federated Optimization in Heterogeneous Networks.
MLSys 2020.
https://arxiv.org/abs/1812.06127

loss + mu / 2 * |w - global|^2
"""

from typing import Annotated

from pydantic import Field

from medfl_common.plan.algorithms import Algorithm, register
from medfl_common.plan.reference import Reference
from medfl_common.plan.settings import Number, Settings


class FedProxOptions(Settings):
    """Numbers of FedProx."""

    fedprox_mu: Annotated[Number, Field(ge=0, le=100)] = 0.01
    """Strength of the pull to the global weights, mu."""


FEDPROX = register(
    Algorithm(
        name="fedprox",
        paper="https://arxiv.org/abs/1812.06127",
        reference=Reference(
            "Li, Tian and Sahu, Anit Kumar and Zaheer, Manzil and Sanjabi, Maziar and Talwalkar, "
            "Ameet and Smith, Virginia",
            "Federated Optimization in Heterogeneous Networks",
            2020,
            "MLSys",
        ),
        strategy="fedavg",
        objective="fedprox",
        options=FedProxOptions,
        in_every_hash=True,
        is_mean=True,
        bears_noise=True,
    )
)
