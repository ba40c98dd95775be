"""How the numbers of an update travel, one file each.

Every codec is a plain function of the values, and of its own result it makes the same bytes again:
what a site keeps, shows and sends is one thing. BatchNorm's running statistics always travel whole.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from medfl_common.plan.federation import Messages
from medfl_common.registry import Registry

Arrays = dict[str, NDArray[np.generic]]
Received = Mapping[str, NDArray[np.generic]]
Layout = dict[str, tuple[str, int]]  # array -> (numpy's name of its type, values)


class Codec(Protocol):
    """Numbers to arrays, and back."""

    feeds_back: ClassVar[bool]  # whether what it leaves out is added to a later update
    settings: ClassVar[tuple[str, ...]]  # keys of `federation.messages` that it alone reads

    def layout(self, sizes: Sequence[int]) -> Layout:
        """Give the arrays for tensors of these sizes; nothing else is let out or in."""

    def encode(self, values: torch.Tensor, sizes: Sequence[int]) -> Arrays:
        """Turn (n,) float32, the tensors one after the other, into arrays."""

    def decode(self, arrays: Received, sizes: Sequence[int]) -> torch.Tensor:
        """Turn arrays of the layout into (n,) float32; raises LinkError where they are none."""


CODECS: Registry[Callable[[Messages], Codec]] = Registry(
    "message format", "medfl_common.wire.codecs"
)
