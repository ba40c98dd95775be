"""FedBuff: no round waits for all; so many updates make one, and old ones count less.

Nguyen, Malik, Zhan, Yousefpour, Rabbat, Malek, Huba: Federated Learning with Buffered Asynchronous
Aggregation. AISTATS 2022.
https://arxiv.org/abs/2106.06639

w <- w + lr * sum_k(n_k * s_k * update_k) / sum_k(n_k), s_k = 1 / sqrt(1 + staleness_k)
"""

from typing import Annotated

from pydantic import Field

from medfl_common.plan.algorithms import Algorithm, Buffer, register
from medfl_common.plan.reference import Reference
from medfl_common.plan.settings import Number, Settings


class FedBuffOptions(Settings):
    """Numbers of FedBuff."""

    server_lr: Annotated[Number, Field(gt=0, le=10)] = 1.0
    """Learning rate at the coordinator, by which the round's change is multiplied."""
    fedbuff_size: int = Field(default=2, ge=1, le=10_000)
    """So many updates make a round."""
    fedbuff_staleness: int = Field(default=10, ge=0, le=1000)
    """An update that is more rounds old than this is dropped."""


FEDBUFF = register(
    Algorithm(
        name="fedbuff",
        paper="https://arxiv.org/abs/2106.06639",
        reference=Reference(
            "Nguyen, John and Malik, Kshitiz and Zhan, Hongyuan and Yousefpour, Ashkan and "
            "Rabbat, Michael and Malek, Mani and Huba, Dzmitry",
            "Federated Learning with Buffered Asynchronous Aggregation",
            2022,
            "AISTATS",
        ),
        strategy="fedbuff",
        options=FedBuffOptions,
        in_every_hash=True,
        buffer=Buffer(size="fedbuff_size", max_staleness="fedbuff_staleness"),
    )
)
