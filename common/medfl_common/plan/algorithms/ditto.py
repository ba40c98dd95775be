"""Ditto: FedAvg, and beside it each site trains a model of its own, pulled to the common one.

Li, Hu, Beirami, Smith: Ditto: Fair and Robust Federated Learning Through Personalization.
ICML 2021.
https://arxiv.org/abs/2012.04221

own loss + lambda / 2 * |own - global|^2
"""

from typing import Annotated

from pydantic import Field

from medfl_common.plan.algorithms import Algorithm, register
from medfl_common.plan.reference import Reference
from medfl_common.plan.settings import Number, Settings


class DittoOptions(Settings):
    """Numbers of Ditto."""

    ditto_lambda: Annotated[Number, Field(ge=0, le=100)] = 0.1
    """Strength of the pull of the own model to the common one, lambda."""


DITTO = register(
    Algorithm(
        name="ditto",
        paper="https://arxiv.org/abs/2012.04221",
        reference=Reference(
            "Li, Tian and Hu, Shengyuan and Beirami, Ahmad and Smith, Virginia",
            "Ditto: Fair and Robust Federated Learning Through Personalization",
            2021,
            "ICML",
        ),
        strategy="fedavg",
        objective="ditto",
        options=DittoOptions,
        in_every_hash=True,
        kept_at_site="a model of this site's own, which `predict` can use",
        is_mean=True,
    )
)
