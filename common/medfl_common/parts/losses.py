"""A study's own losses, which a plan names as `training.loss`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from medfl_common.registry import Registry

if TYPE_CHECKING:
    import torch

# ((B, K, ...) logits, targets) -> the loss of each image (B,), or the batch's mean, a scalar.
# Targets are (B, K) float32, NaN where a finding is unknown; of a segmentation masks
# (B, [D,] H, W) uint8.
OwnLoss = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]
LOSSES: Registry[OwnLoss] = Registry("loss", "medfl_common.parts.losses", entry="loss")
