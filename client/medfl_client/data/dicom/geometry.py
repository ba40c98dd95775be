"""Images and volumes to the plan's size: one resampling rule for every site."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Band = tuple[slice, slice, Array]  # new places, old places that they are made of, weights

BAND = 16  # new lines made at a time: a small dense product is faster than a sparse large one


def fit(image: Array, size: int, scale: tuple[float, float] | None = None) -> Array:
    """Resample (H, W) to (size, size), black where the image does not reach.

    Args:
        image: (H, W) in 0..1.
        size: Pixels on a side of the result.
        scale: New pixels per old one, down and across; what then is too large is cropped around
            its centre. None: as large as fits, the image keeps its shape.

    Bilinear with a filter as wide as a new pixel (antialiased), the same as Pillow's.
    """
    height, width = image.shape
    down, across = scale or (size / max(height, width),) * 2
    shape = (max(1, round(height * down)), max(1, round(width * across)))
    return centred(np.clip(resize(image, shape), 0, 1), (size, size))


def resize(image: Array, shape: tuple[int, int]) -> Array:
    """Resample (H, W) to `shape`, first down, then across."""
    if image.shape == shape:
        return image
    lines = np.empty((shape[0], image.shape[1]), dtype=np.float32)
    for new, old, weights in _bands(image.shape[0], shape[0]):
        np.matmul(weights, image[old], out=lines[new])
    result = np.empty(shape, dtype=np.float32)
    for new, old, weights in _bands(image.shape[1], shape[1]):
        result[:, new] = lines[:, old] @ weights.T
    return result


@lru_cache(maxsize=256)
def _bands(n_old: int, n_new: int) -> list[Band]:
    """Give the weights that make n_new pixels of n_old over the same length, in bands."""
    step = n_old / n_new  # old pixels per new one
    reach = max(step, 1.0)
    bands = []
    for first in range(0, n_new, BAND):
        centres = (np.arange(first, min(first + BAND, n_new)) + 0.5) * step
        start = max(0, int(centres[0] - reach))
        stop = min(n_old, int(np.ceil(centres[-1] + reach)))
        weights = _triangles(centres, np.arange(start, stop) + 0.5, reach)
        bands.append((slice(first, first + len(centres)), slice(start, stop), weights))
    return bands


def _triangles(new: NDArray[np.floating], old: NDArray[np.floating], reach: float) -> Array:
    """Weight old places for new ones: 1 at the same place, linearly to 0 at `reach`; sums are 1."""
    weights = np.clip(1 - np.abs(new[:, None] - old[None]) / reach, 0, None)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    return weights.astype(np.float32)


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
    weights = _triangles(new_mm, old_mm, _reach(old_mm, new_mm))
    return np.tensordot(weights, slices, axes=1)


def _reach(old_mm: NDArray[np.float64], new_mm: NDArray[np.float64]) -> float:
    return max(*(float(np.diff(places).max(initial=0)) for places in (old_mm, new_mm)), 1e-6)


@dataclass(frozen=True)
class Lines:
    """What makes new slices, rows or columns of old ones."""

    old: slice  # those that are near
    weights: Array  # (new, old); the sums are 1
    is_within: NDArray[np.bool_]  # (new,) it lies where the old ones are


def lines_at(old_mm: NDArray[np.float64], new_mm: NDArray[np.float64]) -> Lines:
    """Weight lines at places `old_mm` for those at `new_mm`, both ascending, as resample_slices.

    A new line beyond the last old one is like that one.
    """
    low, high = edges(old_mm)
    held = np.clip(new_mm, old_mm[0], old_mm[-1])
    reach = _reach(old_mm, new_mm)
    start, stop = np.searchsorted(old_mm, (held[0] - reach, held[-1] + reach), side="right")
    near = slice(int(start), int(stop))
    weights = _triangles(held, old_mm[near], reach)
    return Lines(near, weights, (low <= new_mm) & (new_mm <= high))


def edges(places: NDArray[np.float64]) -> tuple[float, float]:
    """Give where ascending lines begin and end: half a step beyond the first and the last."""
    half = float(np.median(np.diff(places))) / 2 + 1e-6
    return float(places[0]) - half, float(places[-1]) + half


def steps(centre: float, n: int, step_mm: float) -> NDArray[np.float64]:
    """Give n places `step_mm` apart around a centre."""
    return np.asarray(centre + (np.arange(n) - (n - 1) / 2) * step_mm)


def steps_around(old_mm: NDArray[np.float64], step_mm: float) -> NDArray[np.float64]:
    """Give places `step_mm` apart over the length of `old_mm`, around its centre."""
    n = int((old_mm[-1] - old_mm[0]) / step_mm + 1e-6) + 1
    return steps(float(old_mm[0] + old_mm[-1]) / 2, n, step_mm)
