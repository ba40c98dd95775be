"""Random changes to a training batch, drawn from the round's own generator."""

import torch

from medfl_common.plan import Augmentation

BLACK = -2.0  # grey 0 as the network sees it: (0 - CENTRE) / SPREAD of dataset.py


def augment(
    pixels: torch.Tensor, settings: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    """Change each picture of (B, C, H, W) on its own; what moves in from outside is black.

    A volume (B, C, D, H, W) is changed in its planes, all of them alike.
    """
    if settings == Augmentation():
        return pixels
    from torchvision.transforms.v2 import functional as transforms  # 1.6 s to import

    n, side = len(pixels), pixels.shape[-1]
    draws = torch.rand((n, 5), generator=generator) * 2 - 1  # -1..1
    changed = []
    for image, (mirror, turn, right, down, grow) in zip(pixels, draws.tolist(), strict=True):
        picture = image.reshape(-1, *image.shape[-2:])
        if settings.flip and mirror > 0:
            picture = transforms.horizontal_flip(picture)
        if settings.rotation_deg or settings.shift or settings.zoom:
            picture = transforms.affine(
                picture,
                angle=turn * settings.rotation_deg,
                translate=[right * settings.shift * side, down * settings.shift * side],
                scale=1 + grow * settings.zoom,
                shear=[0.0, 0.0],
                interpolation=transforms.InterpolationMode.BILINEAR,
                fill=[BLACK],
            )
        changed.append(picture.reshape(image.shape))
    return torch.stack(changed)
