"""Boxes drawn over an image, for people."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medfl_common.ui.overlay import COLOURS, Pixels

LINE = 2  # pixels


def framed(
    image: Pixels,
    kinds: Sequence[int] | NDArray[np.int64],
    boxes: NDArray[np.floating],
    least: int = 1,
) -> Pixels:
    """Draw boxes over an image, each class in its colour.

    Args:
        image: (H, W) or (H, W, 3).
        kinds: (n,) places of the classes in the plan.
        boxes: (n, 4) centre y, x and sides h, w in pixels; the first pixel reaches from 0 to 1.
        least: Pixels that the shorter side has at least; the image is repeated, not smoothed.

    Returns:
        (H', W', 3).
    """
    n = max(1, -(-least // min(image.shape[:2])))
    shown = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    shown = shown.repeat(n, axis=0).repeat(n, axis=1)
    colours = [*COLOURS.values()]
    ends = np.array([*shown.shape[:2]] * 2)
    for kind, box in reversed([*zip(kinds, boxes, strict=True)]):  # the first on top
        corners = np.concatenate([box[:2] - box[2:] / 2, box[:2] + box[2:] / 2]) * n
        top, left, bottom, right = np.clip(np.rint(corners), 0, ends).astype(int).tolist()
        inner = shown[top + LINE : bottom - LINE, left + LINE : right - LINE].copy()
        shown[top:bottom, left:right] = colours[int(kind) % len(colours)]
        shown[top + LINE : bottom - LINE, left + LINE : right - LINE] = inner
    return shown
