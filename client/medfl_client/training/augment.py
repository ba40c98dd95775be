"""Random changes to a training batch, drawn from the round's own generator."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import grid_sample

from medfl_client.training.moved_boxes import moved_boxes
from medfl_client.training.own_augmentations import changed_by_own
from medfl_client.training.places import flat_grid, grid_of, has_own_grid
from medfl_common.models.input_scale import BLACK, RANGE
from medfl_common.plan.training import Augmentation

BORDERS = {"black": "zeros", "edge": "border"}  # of the plan -> of grid_sample


@dataclass(frozen=True)
class _Drawn:
    """What is drawn for a batch.

    is_chosen: (B,) which images are changed; draws: (n, 8) of these; grid: where in an image each
    place of the changed one comes from; None: none moves but by mirroring.
    """

    is_chosen: torch.Tensor
    draws: torch.Tensor
    grid: torch.Tensor | None


def augment(
    pixels: torch.Tensor, settings: Augmentation, generator: torch.Generator, aspect: float = 1.0
) -> torch.Tensor:
    """Change a share of the images of (B, C, H, W), each on its own; the others stay as they are.

    A volume (B, C, D, H, W) is changed in its planes, all of them alike, but for the changes that
    are about volumes. The draws come in one order: 8 numbers for each image, one for each that says
    whether it is changed; of the changed ones the axes of a volume, the elastic grid, the noise,
    those of the plan's own augmentations.
    `aspect` is the depth of a volume in its width.
    """
    drawn = _drawn(pixels.shape, settings, generator, aspect)
    return pixels if drawn is None else _changed(pixels, drawn, settings, generator)


def augment_alone(
    pixels: torch.Tensor, settings: Augmentation, seed: int, aspect: float = 1.0
) -> torch.Tensor:
    """Change the images of one patient as `augment` does, from a seed of their own."""
    return augment(pixels, settings, torch.Generator().manual_seed(seed), aspect)


def augment_with_masks(
    pixels: torch.Tensor,
    masks: torch.Tensor,
    settings: Augmentation,
    generator: torch.Generator,
    aspect: float = 1.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Change images as `augment` does, to the same bits, and move their masks along.

    A mask (B, [D,] H, W) uint8 takes the nearest place. What moves in from outside is its edge
    continued, or with `fill: black` the background.
    """
    drawn = _drawn(pixels.shape, settings, generator, aspect)
    if drawn is None:
        return pixels, masks
    some = masks[drawn.is_chosen].float()[:, None]
    found = masks.clone()
    moved = _moved(some, settings, drawn, is_mask=True)[:, 0]
    found[drawn.is_chosen] = moved.to(masks.dtype)
    return _changed(pixels, drawn, settings, generator), found


def augment_with_boxes(
    pixels: torch.Tensor,
    boxes: torch.Tensor,
    settings: Augmentation,
    generator: torch.Generator,
    aspect: float = 1.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Change images as `augment` does, to the same bits, and move their boxes (B, M, 1 + 2 d)."""
    drawn = _drawn(pixels.shape, settings, generator, aspect)
    if drawn is None:
        return pixels, boxes
    found, some = boxes.clone(), boxes[drawn.is_chosen]
    found[drawn.is_chosen] = moved_boxes(some, settings, drawn.draws, pixels.shape[2:])
    return _changed(pixels, drawn, settings, generator), found


def _drawn(
    shape: Sequence[int], settings: Augmentation, generator: torch.Generator, aspect: float
) -> _Drawn | None:
    """Draw for images (B, C, [D,] H, W); None: none is changed."""
    if not settings.is_on:
        return None
    draws = torch.rand((shape[0], 8), generator=generator) * 2 - 1  # -1..1
    is_chosen = torch.rand(shape[0], generator=generator) < settings.share
    if not is_chosen.any():
        return None
    draws, grid = draws[is_chosen], None
    if has_own_grid(settings, len(shape) - 2):
        grid = grid_of(settings, draws, shape[2:], generator, aspect)
    elif settings.moves_in_plane:
        grid = flat_grid(settings, draws, *shape[-2:])
    return _Drawn(is_chosen, draws, grid)


def _changed(
    pixels: torch.Tensor, drawn: _Drawn, settings: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    """Move the chosen images; change their contrast, and draw the noise."""
    changed = _moved(pixels[drawn.is_chosen], settings, drawn)
    if settings.contrast:
        changed = _contrast(changed, 1 + drawn.draws[:, 7] * settings.contrast)
    if settings.noise:
        grain = torch.randn(changed.shape, generator=generator)
        changed = changed + grain * (settings.noise * RANGE)
    if settings.own:
        changed = changed_by_own(changed, settings, generator)
    result = pixels.clone()  # keeps the layout in memory
    result[drawn.is_chosen] = changed
    return result


def _moved(
    values: torch.Tensor, settings: Augmentation, drawn: _Drawn, is_mask: bool = False
) -> torch.Tensor:
    """Mirror and move (B, C, [D,] H, W): images bilinearly, masks by the nearest place."""
    planes = _flipped(values.reshape(len(values), -1, *values.shape[-2:]), settings, drawn.draws)
    grid = drawn.grid
    if grid is None:
        return planes.reshape(values.shape)
    whole = planes if grid.dim() == 4 else planes.reshape(values.shape)
    # Beyond the border grid_sample gives 0: the background, and after this of images black.
    lowest = BLACK if settings.fill == "black" and not is_mask else 0.0
    raised = whole - lowest if lowest else whole
    mode, border = "nearest" if is_mask else "bilinear", BORDERS[settings.fill]
    found = grid_sample(raised, grid, mode, border, align_corners=False).add_(lowest)
    return found.reshape(values.shape)


def _flipped(planes: torch.Tensor, settings: Augmentation, draws: torch.Tensor) -> torch.Tensor:
    """Mirror (B, planes, H, W) where the draw says so."""
    for wanted, draw, axis in ((settings.flip, 0, -1), (settings.flip_vertical, 5, -2)):
        if wanted:
            is_mirrored = (draws[:, draw] > 0).reshape(-1, 1, 1, 1)
            planes = torch.where(is_mirrored, planes.flip(axis), planes)
    return planes


def _contrast(pixels: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Spread each image's intensities around its own mean, within black to white."""
    shape = (-1, *([1] * (pixels.dim() - 1)))
    middle = pixels.flatten(1).mean(dim=1).reshape(shape)
    spread = (pixels - middle) * factors.reshape(shape) + middle
    return spread.clamp(BLACK, BLACK + RANGE)
