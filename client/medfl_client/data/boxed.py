"""The boxes of a detection, beside the images that they are of."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

# (M, 1 + 2 d) of one image: class, centre ([z,] y, x), sides ([d,] h, w); see BoxedImages
Boxes = NDArray[np.float32]


def padded_boxes(several: Sequence[Boxes], dimensions: int) -> torch.Tensor:
    """Stack the boxes of images as (N, M, 1 + 2 d) float32, with NaN where one has fewer."""
    most = max((len(one) for one in several), default=0)
    found = torch.full((len(several), most, 1 + 2 * dimensions), torch.nan)
    for row, one in zip(found, several, strict=True):
        row[: len(one)] = torch.from_numpy(np.asarray(one, np.float32))
    return found


def with_unknown(boxes: Boxes, targets: Sequence[float]) -> Boxes:
    """Add a row for each class of which nobody knows (NaN): the class, and sides of NaN.

    There the loss has no heat-map of that class; scores have the targets themselves.
    """
    unknown = np.flatnonzero(np.isnan(np.asarray(targets, np.float32)))
    rows = np.full((len(unknown), boxes.shape[1]), np.nan, np.float32)
    rows[:, 0] = unknown
    return np.concatenate([boxes, rows])


def clipped(boxes: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
    """Cut boxes (..., 2 d), centres and sides, at the edges of an image of these lengths."""
    d = len(lengths)
    ends = torch.tensor(lengths, dtype=boxes.dtype)
    centres, halves = boxes[..., :d], boxes[..., d:] / 2
    low = torch.minimum((centres - halves).clamp(min=0), ends)
    high = torch.minimum((centres + halves).clamp(min=0), ends)
    return torch.cat([(low + high) / 2, high - low], dim=-1)


def inside(boxes: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
    """Drop boxes (..., 1 + 2 d) with their centre outside an image; cut the others at its edges.

    What is dropped is NaN. A box that is inside keeps its bits, and so does the row of a class of
    which nobody knows.
    """
    d = len(lengths)
    ends = torch.tensor(lengths, dtype=boxes.dtype)
    centres, halves = boxes[..., 1 : 1 + d], boxes[..., 1 + d :] / 2
    is_in = ((centres >= 0) & (centres < ends)).all(dim=-1, keepdim=True)
    is_in |= boxes[..., 1:].isnan().all(dim=-1, keepdim=True)
    is_cut = ((centres - halves < 0) | (centres + halves > ends)).any(dim=-1, keepdim=True)
    cut = torch.cat([boxes[..., :1], clipped(boxes[..., 1:], lengths)], dim=-1)
    return torch.where(is_in, torch.where(is_cut, cut, boxes), torch.nan)
