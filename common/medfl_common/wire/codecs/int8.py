"""8 bits a number, one step per tensor; what rounding leaves out goes with a later update.

Seide, Fu, Droppo, Li, Yu: 1-Bit Stochastic Gradient Descent. Interspeech 2014 (error feedback).
Karimireddy, Rebjock, Stich, Jaggi: Error Feedback Fixes SignSGD. ICML 2019.
https://arxiv.org/abs/1901.09847
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch

from medfl_common.plan.federation import Messages
from medfl_common.wire.codecs import CODECS, Arrays, Layout, Received

VALUES, STEPS = "values", "steps"
MOST = 127


@CODECS.register("int8")
class Int8:
    """value = integer * step, -127..127; the step is a power of two, so no digit is lost twice."""

    feeds_back: ClassVar[bool] = True
    settings: ClassVar[tuple[str, ...]] = ()

    def __init__(self, messages: Messages) -> None: ...

    def layout(self, sizes: Sequence[int]) -> Layout:
        """Give the arrays for tensors of these sizes."""
        return {VALUES: ("int8", sum(sizes)), STEPS: ("float32", len(sizes))}

    def encode(self, values: torch.Tensor, sizes: Sequence[int]) -> Arrays:
        """Round to the nearest multiple of each tensor's step."""
        parts, integers, steps = torch.split(values, [*sizes]), [], []
        for part in parts:
            largest = part.abs().max() if len(part) else torch.zeros(())
            step = torch.exp2(torch.ceil(torch.log2(largest.double() / MOST))).float()
            steps.append(step)
            scaled = part / step if step > 0 else torch.zeros_like(part)
            integers.append(scaled.round().clamp(-MOST, MOST).to(torch.int8))
        return {VALUES: torch.cat(integers).numpy(), STEPS: torch.stack(steps).numpy()}

    def decode(self, arrays: Received, sizes: Sequence[int]) -> torch.Tensor:
        """Multiply."""
        values = torch.from_numpy(arrays[VALUES].astype(np.float32))
        for part, step in zip(torch.split(values, [*sizes]), arrays[STEPS], strict=True):
            part.mul_(float(step))
        return values
