"""What a detection network finds: the peaks of its heat-maps, with the box at each."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from medfl_common.plan.plan import Plan


@dataclass(frozen=True)
class Found:
    """What is found in one image, the surest first.

    classes: (n,) int64 places in the plan. scores: (n,) float32, 0..1. boxes: (n, 2 d) float32
    centre ([z,] y, x) and sides ([d,] h, w), in pixels of the network's input, as in BoxedImages.
    """

    classes: NDArray[np.int64]
    scores: NDArray[np.float32]
    boxes: NDArray[np.float32]


def found_in(maps: torch.Tensor, plan: Plan) -> list[Found]:
    """Read (B, K + d, [D,] H, W) maps of a network, as `logits_of` gives them."""
    raise NotImplementedError
