"""A study's own losses, which a plan names as `training.loss`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, get_args

from medfl_common.registry import Registry

if TYPE_CHECKING:
    import torch

BuiltInLoss = Literal["task", "dice_ce", "ce", "focal", "dice"]  # medfl's, in no registry
BUILT_IN_LOSSES: tuple[str, ...] = get_args(BuiltInLoss)

# ((B, K, ...) logits, targets) -> the loss of each image (B,), or the batch's mean, a scalar.
# Targets are (B, K) float32, NaN where a finding is unknown; of a segmentation masks
# (B, [D,] H, W) uint8.
OwnLoss = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]
LOSSES: Registry[OwnLoss] = Registry(
    "loss", "medfl_common.parts.losses", entry="loss", beside=BUILT_IN_LOSSES
)
