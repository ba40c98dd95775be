"""The boxes of a volume slice by slice, for people who look."""

import numpy as np

from medfl_client.data.boxed import Boxes


def in_slice(boxes: Boxes, place: int) -> Boxes:
    """Give the boxes of a volume that a slice cuts, as those of an image: (M, 5)."""
    low, high = boxes[:, 1] - boxes[:, 4] / 2, boxes[:, 1] + boxes[:, 4] / 2
    return boxes[(low < place + 1) & (high > place)][:, [0, 2, 3, 5, 6]]


def most_boxed(boxes: Boxes, shape: tuple[int, ...]) -> tuple[int, Boxes]:
    """Give the middle one of the slices of ([D,] H, W) with the most boxes, and these."""
    if len(shape) == 2:
        return 0, boxes
    several = [in_slice(boxes, place) for place in range(shape[0])]
    counts = np.array([len(own) for own in several])
    best = np.flatnonzero(counts == counts.max()).tolist()
    place = int(best[len(best) // 2])
    return place, several[place]


def through_findings(boxes: Boxes, n_slices: int, most: int) -> list[int]:
    """Choose slices of a volume: through the middle of each box, else evenly."""
    if not len(boxes):
        return sorted({round(place) for place in np.linspace(0, n_slices - 1, most).tolist()})
    middles = sorted({min(max(int(z), 0), n_slices - 1) for z in boxes[:, 1].tolist()})
    chosen = np.linspace(0, len(middles) - 1, min(most, len(middles)))
    return [middles[round(place)] for place in chosen.tolist()]
