"""Pictures and volumes to the plan's size: one resampling rule for every site."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.float32]


def fit(picture: Array, size: int, scale: tuple[float, float] | None = None) -> Array:
    """Resample (H, W) to (size, size), black where the picture does not reach.

    Args:
        picture: (H, W) in 0..1.
        size: Pixels on a side of the result.
        scale: New pixels per old one, down and across; what then is too large is cropped around
            its centre. None: as large as fits, the picture keeps its shape.

    Bilinear with a filter as wide as a new pixel (antialiased), as Pillow and torchvision do.
    """
    height, width = picture.shape
    down, across = scale or (size / max(height, width),) * 2
    shape = (max(1, round(height * down)), max(1, round(width * across)))
    return centred(np.clip(resize(picture, shape), 0, 1), (size, size))


def resize(picture: Array, shape: tuple[int, int]) -> Array:
    """Resample (H, W) to `shape`."""
    if picture.shape == shape:
        return picture
    image = Image.fromarray(np.ascontiguousarray(picture, dtype=np.float32))
    return np.asarray(image.resize(shape[::-1], Image.Resampling.BILINEAR))


def centred(array: Array, shape: tuple[int, ...]) -> Array:
    """Crop and pad an array around its centre to `shape`; what is new is 0."""
    result = np.zeros(shape, dtype=np.float32)
    source, target = [], []
    for old, new in zip(array.shape, shape, strict=True):
        n = min(old, new)
        first, place = (old - n) // 2, (new - n) // 2
        source.append(slice(first, first + n))
        target.append(slice(place, place + n))
    result[tuple(target)] = array[tuple(source)]
    return result


def resample_slices(
    slices: Array, old_mm: NDArray[np.float64], new_mm: NDArray[np.float64]
) -> Array:
    """Resample (D, H, W) slices at places `old_mm`, ascending, to (len(new_mm), H, W).

    Each new slice is a mean of its neighbours, with weights that fall linearly to 0 over one step,
    old or new, whichever is larger: linear interpolation, antialiased where slices become fewer.
    """
    if np.array_equal(old_mm, new_mm):
        return slices
    steps = [float(np.diff(places).max(initial=0)) for places in (old_mm, new_mm)]
    reach = max(*steps, 1e-6)
    weights = np.clip(1 - np.abs(new_mm[:, None] - old_mm[None]) / reach, 0, None)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    return np.tensordot(weights.astype(np.float32), slices, axes=1)


def steps_around(old_mm: NDArray[np.float64], step_mm: float) -> NDArray[np.float64]:
    """Give places `step_mm` apart over the length of `old_mm`, around its centre."""
    n = int((old_mm[-1] - old_mm[0]) / step_mm + 1e-6) + 1
    centre = float(old_mm[0] + old_mm[-1]) / 2
    return np.asarray(centre + (np.arange(n) - (n - 1) / 2) * step_mm)
