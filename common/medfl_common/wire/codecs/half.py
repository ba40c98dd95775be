"""16 bits a number: float16 has 11 significant bits up to 65,504, bfloat16 8 bits up to 3e38."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch

from medfl_common.plan.federation import Messages
from medfl_common.wire.codecs import CODECS, Arrays, Layout, Received

VALUES = "values"
MOST = 65_504.0  # the largest float16


@CODECS.register("float16")
class Float16:
    """IEEE 754 binary16; what is larger becomes the largest."""

    feeds_back: ClassVar[bool] = False
    settings: ClassVar[tuple[str, ...]] = ()

    def __init__(self, messages: Messages) -> None: ...

    def layout(self, sizes: Sequence[int]) -> Layout:
        """Give the arrays for tensors of these sizes."""
        return {VALUES: ("float16", sum(sizes))}

    def encode(self, values: torch.Tensor, sizes: Sequence[int]) -> Arrays:
        """Round to nearest."""
        return {VALUES: values.clamp(-MOST, MOST).half().numpy()}

    def decode(self, arrays: Received, sizes: Sequence[int]) -> torch.Tensor:
        """Widen."""
        return torch.from_numpy(arrays[VALUES].astype(np.float32))


@CODECS.register("bfloat16")
class BFloat16:
    """The upper half of a float32's bits; numpy has no name for it, so they travel as integers."""

    feeds_back: ClassVar[bool] = False
    settings: ClassVar[tuple[str, ...]] = ()

    def __init__(self, messages: Messages) -> None: ...

    def layout(self, sizes: Sequence[int]) -> Layout:
        """Give the arrays for tensors of these sizes."""
        return {VALUES: ("uint16", sum(sizes))}

    def encode(self, values: torch.Tensor, sizes: Sequence[int]) -> Arrays:
        """Round to nearest."""
        return {VALUES: values.bfloat16().view(torch.uint16).numpy()}

    def decode(self, arrays: Received, sizes: Sequence[int]) -> torch.Tensor:
        """Widen."""
        bits = np.ascontiguousarray(arrays[VALUES], np.uint16)
        return torch.from_numpy(bits.copy()).view(torch.bfloat16).float()
