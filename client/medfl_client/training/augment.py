"""Random changes to a training batch, drawn from the round's own generator."""

import torch

from medfl_common.models.input_scale import BLACK, RANGE
from medfl_common.plan.training import Augmentation


def augment(
    pixels: torch.Tensor, settings: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    """Change each image of (B, C, H, W) on its own; what moves in from outside is black.

    A volume (B, C, D, H, W) is changed in its planes, all of them alike.
    """
    if settings == Augmentation():
        return pixels
    draws = torch.rand((len(pixels), 8), generator=generator) * 2 - 1  # -1..1
    if _moves(settings):
        changed = [_move(p, settings, d) for p, d in zip(pixels, draws.tolist(), strict=True)]
        pixels = torch.stack(changed)
    if settings.contrast:
        pixels = _contrast(pixels, 1 + draws[:, 7] * settings.contrast)
    if settings.noise:
        grain = torch.randn(pixels.shape, generator=generator)
        pixels = pixels + grain * (settings.noise * RANGE)
    return pixels


def _moves(settings: Augmentation) -> bool:
    return settings.model_copy(update={"contrast": 0.0, "noise": 0.0}) != Augmentation()


def _move(image: torch.Tensor, settings: Augmentation, draws: list[float]) -> torch.Tensor:
    """Mirror, turn, shift, zoom and shear one (C, [D,] H, W) by draws in -1..1."""
    from torchvision.transforms.v2 import functional as transforms  # 1.6 s to import

    mirror, turn, right, down, grow, upturn, slant, _ = draws
    side = image.shape[-1]
    picture = image.reshape(-1, *image.shape[-2:])
    if settings.flip and mirror > 0:
        picture = transforms.horizontal_flip(picture)
    if settings.flip_vertical and upturn > 0:
        picture = transforms.vertical_flip(picture)
    if settings.rotation_deg or settings.shift or settings.zoom or settings.shear_deg:
        picture = transforms.affine(
            picture,
            angle=turn * settings.rotation_deg,
            translate=[right * settings.shift * side, down * settings.shift * side],
            scale=1 + grow * settings.zoom,
            shear=[slant * settings.shear_deg, 0.0],
            interpolation=transforms.InterpolationMode.BILINEAR,
            fill=[BLACK],
        )
    return picture.reshape(image.shape)


def _contrast(pixels: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Spread each image's intensities around its own mean, within black to white."""
    shape = (-1, *([1] * (pixels.dim() - 1)))
    middle = pixels.flatten(1).mean(dim=1).reshape(shape)
    spread = (pixels - middle) * factors.reshape(shape) + middle
    return spread.clamp(BLACK, BLACK + RANGE)
