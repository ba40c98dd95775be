"""FedDyn: each site's loss is bent so that the sites' minima meet at the common one.

Acar, Zhao, Matas Navarro, Mattina, Whatmough, Saligrama: Federated Learning Based on Dynamic
Regularization. ICLR 2021.
https://arxiv.org/abs/2111.04263

loss - <g_k, w> + alpha / 2 * |w - global|^2; g_k <- g_k - alpha update_k, w <- mean - h / alpha
"""

from typing import Annotated

from pydantic import Field

from medfl_common.plan.algorithms import Algorithm, register
from medfl_common.plan.reference import Reference
from medfl_common.plan.settings import Number, Settings


class FedDynOptions(Settings):
    """Numbers of FedDyn."""

    feddyn_alpha: Annotated[Number, Field(gt=0, le=100)] = 0.01
    """Strength of the pull to the global weights, alpha."""


FEDDYN = register(
    Algorithm(
        name="feddyn",
        paper="https://arxiv.org/abs/2111.04263",
        reference=Reference(
            "Acar, Durmus Alp Emre and Zhao, Yue and Matas Navarro, Ramon and Mattina, Matthew "
            "and Whatmough, Paul N. and Saligrama, Venkatesh",
            "Federated Learning Based on Dynamic Regularization",
            2021,
            "ICLR",
        ),
        strategy="feddyn",
        objective="feddyn",
        options=FedDynOptions,
        in_every_hash=True,
        is_paired=True,
        kept_at_site="how gradients here differ from the others'",
    )
)
