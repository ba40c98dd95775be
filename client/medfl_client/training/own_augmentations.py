"""A study's own augmentations, on the images that a draw has chosen."""

import torch

from medfl_common.errors import TrainingError
from medfl_common.parts.augmentations import AUGMENTATIONS
from medfl_common.plan.training import Augmentation


def changed_by_own(
    pixels: torch.Tensor, settings: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    """Change images (B, C, [D,] H, W) by the plan's own augmentations, in their order."""
    for name in settings.own:
        # That the plan may see it was looked at when the plan was admitted.
        found = AUGMENTATIONS.get(name)(pixels, generator)
        if found.shape != pixels.shape or found.dtype != pixels.dtype:
            raise TrainingError(
                f"the augmentation {name} makes {found.dtype} {tuple(found.shape)} of "
                f"{pixels.dtype} {tuple(pixels.shape)}",
                todo="let it keep shape and type",
                data="nothing was sent",
            )
        pixels = found
    return pixels
