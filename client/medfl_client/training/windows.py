"""What a segmentation network says of whole images, also of those larger than it looks at."""

import torch
from torch import nn

from medfl_common.plan.plan import Plan


def logits_of(model: nn.Module, pixels: torch.Tensor, plan: Plan) -> torch.Tensor:
    """Give (B, K, [D,] H, W) float32 logits of (B, C, [D,] H, W)."""
    found: torch.Tensor = model(pixels)
    return found.float()
