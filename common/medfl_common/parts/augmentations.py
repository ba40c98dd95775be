"""A study's own augmentations, which a plan names in `training.augmentation.own`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from medfl_common.registry import Registry

if TYPE_CHECKING:
    import torch

# (images (B, C, [D,] H, W) as the network sees them, the round's generator) -> images of this shape
OwnAugmentation = Callable[["torch.Tensor", "torch.Generator"], "torch.Tensor"]
AUGMENTATIONS: Registry[OwnAugmentation] = Registry(
    "augmentation", "medfl_common.parts.augmentations", entry="augmentation"
)
