"""Outlines laid over an image, for people."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Okabe and Ito 2008, those that are bright enough on a dark image; yellow of the same set.
COLOURS = {
    "orange": (230, 159, 0), "sky blue": (86, 180, 233), "green": (0, 158, 115),
    "pink": (204, 121, 167), "red": (213, 94, 0), "yellow": (240, 228, 66),
}  # fmt: skip
LEAST_SIDE = 192  # pixels of the shorter side; a line is one of these
WHITE = (255, 255, 255)
Pixels = NDArray[np.uint8]


def outlined(image: Pixels, labels: Pixels, foreground: Sequence[str], least: int = 1) -> Pixels:
    """Draw the edges of labels over an image, each class in its colour, within the class.

    Args:
        image: (H, W) or (H, W, 3).
        labels: (H, W) places in the plan's classes; another number is unknown, and white.
        foreground: The names of classes 1, 2 and so on.
        least: Pixels that the shorter side has at least; the image is repeated, not smoothed.

    Returns:
        (H', W', 3).
    """
    n = max(1, -(-least // min(labels.shape)))
    shown = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    shown = shown.repeat(n, axis=0).repeat(n, axis=1)
    labels = labels.repeat(n, axis=0).repeat(n, axis=1)
    colours = [*COLOURS.values()]
    for label in np.unique(labels[labels > 0]).tolist():
        is_known = label <= len(foreground)
        shown[edge(labels == label)] = colours[(label - 1) % len(colours)] if is_known else WHITE
    return shown


def boxed(image: Pixels, boxes: NDArray[np.floating], least: int = 1) -> Pixels:
    """Draw boxes over an image, each class in its colour.

    Args:
        image: (H, W) or (H, W, 3).
        boxes: (M, 5) place of the class from 0, centre y and x, height and width, in pixels.
        least: Pixels that the shorter side has at least; the image is repeated, not smoothed.

    Returns:
        (H', W', 3).
    """
    n = max(1, -(-least // min(image.shape[:2])))
    shown = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    shown = shown.repeat(n, axis=0).repeat(n, axis=1)
    colours, ends = [*COLOURS.values()], np.array(shown.shape[:2])
    for kind, *place in boxes.tolist():
        centre, sides = np.array(place[:2]) * n, np.array(place[2:]) * n
        y0, x0 = np.clip(np.rint(centre - sides / 2).astype(int), 0, ends - 1).tolist()
        y1, x1 = np.clip(np.rint(centre + sides / 2).astype(int) - 1, 0, ends - 1).tolist()
        inside = np.zeros(shown.shape[:2], dtype=np.bool_)
        inside[y0 : max(y0, y1) + 1, x0 : max(x0, x1) + 1] = True
        shown[edge(inside)] = colours[int(kind) % len(colours)]
    return shown


def edge(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Give the pixels of a mask (H, W) that a neighbour above, below or beside does not share."""
    around = np.pad(mask, 1)
    inner = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    return mask & ~inner


def legend(foreground: Sequence[str]) -> str:
    """Say which colour each class has."""
    names = [*COLOURS]
    return ", ".join(f"{name} {names[i % len(names)]}" for i, name in enumerate(foreground))


def fullest(labels: Pixels, foreground: Sequence[str]) -> int:
    """Give the slice of (D, H, W) with the most voxels of a class; without any the middle one."""
    known = (labels > 0) & (labels <= len(foreground))
    areas = known.reshape(len(labels), -1).sum(axis=1)
    return int(areas.argmax()) if areas.any() else len(labels) // 2
