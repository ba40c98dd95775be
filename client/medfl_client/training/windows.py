"""What a dense network says of whole images, also of those larger than it looks at."""

import math
from collections.abc import Iterator, Sequence
from itertools import product

import torch
from torch import nn
from torch.nn.functional import pad

from medfl_common.models.input_scale import BLACK
from medfl_common.plan.dense import WINDOW_OVERLAP, WINDOW_SPREAD
from medfl_common.plan.plan import Plan

LEAST = 1e-3  # weight of a window's corner


def logits_of(model: nn.Module, pixels: torch.Tensor, plan: Plan) -> torch.Tensor:
    """Give (B, K, [D,] H, W) float32 logits of (B, C, [D,] H, W), through the plan's window."""
    if plan.images.patch is not None:
        return windowed(model, pixels, plan.images.window)
    found: torch.Tensor = model(pixels)
    return found.float()


def windowed(
    model: nn.Module, pixels: torch.Tensor, patch: tuple[int, ...], overlap: float = WINDOW_OVERLAP
) -> torch.Tensor:
    """Give (B, K, [D,] H, W) float32 logits of images larger than the network looks at.

    One window at a time goes through the network, of all B images; where windows overlap, logits
    are averaged, and log sides of boxes likewise, those near a window's middle counting more
    (Isensee et al.: nnU-Net. Nature Methods 18, 2021). Images smaller than the window are padded
    with black on both sides.

    Args:
        model: In evaluation mode; on the pixels' device.
        pixels: (B, C, [D,] H, W).
        patch: ([D,] H, W) the window.
        overlap: The part of a window that the next one sees too, 0..1, below 1.
    """
    sides = tuple(pixels.shape[2:])
    before = [max(side - had, 0) // 2 for side, had in zip(patch, sides, strict=True)]
    whole = _padded(pixels, patch, before)
    weight = window_weights(patch).to(pixels.device)
    total, weights = torch.zeros(0), torch.zeros(whole.shape[2:], device=pixels.device)
    for place in _places(whole.shape[2:], patch, overlap):
        logits = model(whole[(slice(None), slice(None), *place)]).float()
        if not total.numel():
            total = logits.new_zeros((len(pixels), logits.shape[1], *whole.shape[2:]))
        total[(slice(None), slice(None), *place)] += logits * weight
        weights[place] += weight
    inside = tuple(slice(b, b + side) for b, side in zip(before, sides, strict=True))
    return (total / weights)[(slice(None), slice(None), *inside)]


def window_weights(patch: Sequence[int]) -> torch.Tensor:
    """Give the weight of each place of a window: a Gaussian around its middle, 1 at the most."""
    weight = torch.ones(())
    for side in patch:
        places = torch.arange(side) - (side - 1) / 2
        weight = weight[..., None] * torch.exp(-(places**2) / (2 * (side * WINDOW_SPREAD) ** 2))
    return weight.clamp(min=max(float(weight.min()), LEAST))


def _places(
    sides: Sequence[int], patch: Sequence[int], overlap: float
) -> Iterator[tuple[slice, ...]]:
    """Go through the windows; the last of an axis ends with the image."""
    starts = []
    for side, window in zip(sides, patch, strict=True):
        step = max(int(window * (1 - overlap)), 1)
        n_steps = math.ceil((side - window) / step)
        starts.append([min(i * step, side - window) for i in range(n_steps + 1)])
    for start in product(*starts):
        yield tuple(slice(a, a + window) for a, window in zip(start, patch, strict=True))


def _padded(pixels: torch.Tensor, patch: Sequence[int], before: Sequence[int]) -> torch.Tensor:
    ends: list[int] = []
    for first, side, had in zip(before, patch, pixels.shape[2:], strict=True):
        ends = [first, max(side - had, 0) - first, *ends]
    return pad(pixels, ends, value=BLACK) if any(ends) else pixels
