"""Random changes to a training batch, drawn from the round's own generator."""

import torch
from torch.nn.functional import grid_sample

from medfl_common.models.input_scale import BLACK, RANGE
from medfl_common.plan.training import Augmentation

BORDERS = {"black": "zeros", "edge": "border"}  # of the plan -> of grid_sample


def augment(
    pixels: torch.Tensor, settings: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    """Change a share of the images of (B, C, H, W), each on its own; the others stay as they are.

    A volume (B, C, D, H, W) is changed in its planes, all of them alike. The draws come in one
    order: 8 numbers for each image, one for each that says whether it is changed, the noise.
    """
    if not settings.is_on:
        return pixels
    draws = torch.rand((len(pixels), 8), generator=generator) * 2 - 1  # -1..1
    is_chosen = torch.rand(len(pixels), generator=generator) < settings.share
    if not is_chosen.any():
        return pixels
    changed = _changed(pixels[is_chosen], settings, draws[is_chosen], generator)
    result = pixels.clone()  # keeps the layout in memory
    result[is_chosen] = changed
    return result


def _changed(
    pixels: torch.Tensor, settings: Augmentation, draws: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    planes = _flipped(pixels.reshape(len(pixels), -1, *pixels.shape[-2:]), settings, draws)
    if settings.rotation_deg or settings.shift or settings.zoom or settings.shear_deg:
        planes = _moved(planes, settings, draws)
    pixels = planes.reshape(pixels.shape)
    if settings.contrast:
        pixels = _contrast(pixels, 1 + draws[:, 7] * settings.contrast)
    if settings.noise:
        grain = torch.randn(pixels.shape, generator=generator)
        pixels = pixels + grain * (settings.noise * RANGE)
    return pixels


def _flipped(planes: torch.Tensor, settings: Augmentation, draws: torch.Tensor) -> torch.Tensor:
    """Mirror (B, planes, H, W) where the draw says so."""
    for wanted, draw, axis in ((settings.flip, 0, -1), (settings.flip_vertical, 5, -2)):
        if wanted:
            is_mirrored = (draws[:, draw] > 0).reshape(-1, 1, 1, 1)
            planes = torch.where(is_mirrored, planes.flip(axis), planes)
    return planes


def _moved(planes: torch.Tensor, settings: Augmentation, draws: torch.Tensor) -> torch.Tensor:
    """Rotate, shift, zoom and shear (B, planes, H, W), bilinearly, around the centre."""
    grid = _grid(_places(settings, draws), planes.shape[-2], planes.shape[-1])
    lowest = BLACK if settings.fill == "black" else 0.0  # beyond the border grid_sample gives 0
    border = BORDERS[settings.fill]
    raised = planes - lowest if lowest else planes
    return grid_sample(raised, grid, padding_mode=border, align_corners=False).add_(lowest)


def _places(settings: Augmentation, draws: torch.Tensor) -> torch.Tensor:
    """Give (B, 2, 3): where in the old image, -1..1 across and down, a new place comes from.

    The inverse of: shear, then rotate, zoom, shift. Computed in float64, so that the last digits of
    a processor's sine are rounded away.
    """
    _, turn, right, down, grow, _, slant, _ = draws.double().T
    angle = turn * settings.rotation_deg * (torch.pi / 180)
    shear = torch.tan(slant * settings.shear_deg * (torch.pi / 180))
    cos, sin, scale = torch.cos(angle), torch.sin(angle), 1 + grow * settings.zoom
    across = torch.stack([cos - sin * shear, sin + cos * shear], dim=1)
    linear = torch.stack([across, torch.stack([-sin, cos], dim=1)], dim=1) / scale[:, None, None]
    shift = 2 * settings.shift * torch.stack([right, down], dim=1)
    offset = -(linear @ shift[:, :, None])
    return torch.cat([linear, offset], dim=2).float()


def _grid(places: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Give (B, H, W, 2) where each pixel comes from: affine_grid, in a quarter of its time."""
    down, across = (((torch.arange(n) * 2 + 1) / n - 1).float() for n in (height, width))
    x, y, offset = (places[:, :, i, None] for i in range(3))  # (B, 2, 1)
    by_column, by_line = x * across, y * down + offset  # (B, 2, W), (B, 2, H)
    return torch.stack([by_column[:, i, None] + by_line[:, i, :, None] for i in (0, 1)], dim=3)


def _contrast(pixels: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Spread each image's intensities around its own mean, within black to white."""
    shape = (-1, *([1] * (pixels.dim() - 1)))
    middle = pixels.flatten(1).mean(dim=1).reshape(shape)
    spread = (pixels - middle) * factors.reshape(shape) + middle
    return spread.clamp(BLACK, BLACK + RANGE)
