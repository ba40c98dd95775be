"""MOON: an image's features stay near the common model's, away from the last local one's.

Li, He, Song: Model-Contrastive Federated Learning. CVPR 2021.
https://arxiv.org/abs/2103.16257

loss - mu log(e^(s_global / t) / (e^(s_global / t) + e^(s_last / t))), s: cosines of features
"""

from typing import Annotated

from pydantic import Field

from medfl_common.plan.algorithms import Algorithm, register
from medfl_common.plan.reference import Reference
from medfl_common.plan.settings import Number, Settings


class MoonOptions(Settings):
    """Numbers of Moon."""

    moon_mu: Annotated[Number, Field(ge=0, le=100)] = 1.0
    """Weight of the comparison of features in the loss, mu."""
    moon_temperature: Annotated[Number, Field(gt=0, le=10)] = 0.5
    """By which cosines are divided, t."""


MOON = register(
    Algorithm(
        name="moon",
        paper="https://arxiv.org/abs/2103.16257",
        reference=Reference(
            "Li, Qinbin and He, Bingsheng and Song, Dawn",
            "Model-Contrastive Federated Learning",
            2021,
            "CVPR",
        ),
        strategy="fedavg",
        objective="moon",
        options=MoonOptions,
        in_every_hash=True,
        needs_images=True,
        kept_at_site="the last model trained here",
        is_mean=True,
    )
)
