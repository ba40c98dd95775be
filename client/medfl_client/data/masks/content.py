"""What a mask file holds: named structures, each drawn on the image's own grid when asked."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]  # (D, H, W) on the image's own grid
Notes = Counter[str]  # what a person should know -> how often it is so

OUTSIDE_IMAGE = "contours or frames lie outside the image"
EMPTY = "nothing is outlined"
IS_IT_NOTHING = "its mask is empty; if nothing is there, write data.masks.empty: background"
NO_PLACE = "nobody says where the image lies, and this kind of mask needs it"


@dataclass(frozen=True)
class Structure:
    """One segment, region of interest or grey value."""

    name: str
    draw: Callable[[], Mask | None]  # None: it is empty; raises DataError
