"""The loss of a detection: a heat-map of centres, and the sides of a box at each."""

from collections.abc import Callable

import torch

from medfl_common.plan.plan import Plan


def box_loss(plan: Plan) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Give the loss of maps (B, K + d, [D,] H, W) against boxes (B, M, 1 + 2 d)."""
    raise NotImplementedError
