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
