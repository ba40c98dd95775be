"""Stored values to 0..1, black to white: every step of DICOM's grey pipeline, in its order.

The order is that of PS3.4 annex N.2: stored values, modality transformation (PS3.3 C.11.1: lookup
table or rescale), values of interest (C.11.2: lookup table or window), then the photometric
interpretation (C.7.6.3.1.2: MONOCHROME1 shows the lowest value white). Overlays are not drawn.

Every step gives a pixel a value that depends on its stored value alone. So the steps are taken once
for each value that can occur, in float64, and the image is looked up in the table that results,
or, where the table is a straight line between two ends, worked out by that line.
"""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import (
    apply_color_lut,
    apply_modality_lut,
    apply_voi,
    apply_windowing,
)

from medfl_client.data.dicom.frames import Stored
from medfl_common.errors import DataError
from medfl_common.plan.images import DicomWindow, FixedWindow, Intensity, PercentileWindow

Picture = NDArray[np.float32]
Values = NDArray[np.float64]

BLANK = "one grey is left of the image by the window; there is nothing in it to learn"
LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601, of red, green, blue


def to_grey(stored: Stored, facts: Dataset, rule: Intensity, is_inverted: bool) -> Picture:
    """Map (H, W) stored values to 0..1 by the plan's rule; pixel padding becomes black.

    Args:
        stored: (H, W) integers, or floats of a parametric map.
        facts: The attributes that hold for this frame.
        rule: How grey values after the modality transformation become 0..1.
        is_inverted: MONOCHROME1.

    Raises DataError where the image is constant or not finite.
    """
    values, is_table = _possible(stored)
    modality, is_padding = _modality(values, facts)
    is_counted = isinstance(rule, PercentileWindow) or _needs_counts(facts, is_padding)
    counts = (
        _counts(stored, values, is_table) if is_counted else np.ones(len(values), dtype=np.int64)
    )
    occurs = (counts > 0) & ~is_padding
    grey = _window(modality, modality[occurs], counts[occurs], facts, rule)
    _refuse_blank(grey[occurs])
    if is_inverted:
        grey = 1.0 - grey
    grey[is_padding] = 0.0
    return _look_up(stored, values, is_table, grey)


def to_values(stored: Stored, facts: Dataset) -> Picture:
    """Map (H, W) stored values to values after the modality transformation, for a volume.

    Pixel padding becomes the lowest value of the picture.
    """
    values, is_table = _possible(stored)
    modality, is_padding = _modality(values, facts)
    if is_padding.any():
        occurs = (_counts(stored, values, is_table) > 0) & ~is_padding
        modality[is_padding] = modality[occurs].min(initial=np.inf)
    return _look_up(stored, values, is_table, modality)


def show(
    values: Picture,
    facts: Dataset,
    rule: Intensity,
    is_inverted: bool,
    inside: Picture | None = None,
) -> Picture:
    """Map a volume of values after the modality transformation to 0..1, as one picture.

    `inside`: what the window is taken from, where `values` are a part of it; else the values.
    """
    flat = values.astype(np.float64).ravel()
    whole = flat if inside is None else inside.astype(np.float64).ravel()
    grey = _window(flat, whole, np.ones(whole.size, dtype=np.int64), facts, rule)
    _refuse_blank(grey)
    grey = 1.0 - grey if is_inverted else grey
    return np.asarray(grey.reshape(values.shape), dtype=np.float32)


def to_colour(stored: Stored, facts: Dataset, photometric: str) -> Picture:
    """Map (H, W, 3) colours, or (H, W) places in a palette (PS3.3 C.7.9), to (H, W, 3) in 0..1."""
    if photometric == "PALETTE COLOR":
        stored = apply_color_lut(stored, facts)
        bits = 8 * stored.dtype.itemsize
    else:
        bits = int(facts.get("BitsStored") or 8 * stored.dtype.itemsize)
    if stored.ndim != 3 or stored.shape[2] != 3:
        raise DataError(f"SamplesPerPixel: colour needs 3 values a pixel, this has {stored.shape}")
    if stored.min() == stored.max():
        raise DataError("the image is constant or not finite")
    scaled = stored.astype(np.float32) / np.float32(2**bits - 1)
    return np.asarray(np.clip(scaled, 0, 1), dtype=np.float32)


def luminance(colour: Picture) -> Picture:
    """Give the grey (H, W) of a colour image (H, W, 3)."""
    return np.asarray(colour @ LUMINANCE, dtype=np.float32)


def _possible(stored: Stored) -> tuple[Stored, bool]:
    """Give all integers from the lowest value to the highest, True; or each pixel's own, False."""
    if stored.dtype.kind in "ui":
        low, high = int(stored.min()), int(stored.max())
        if high - low < 2 * max(stored.size, 2**15):
            return np.arange(low, high + 1).astype(stored.dtype), True
    return stored.ravel(), False


def _needs_counts(facts: Dataset, is_padding: NDArray[np.bool_]) -> bool:
    """Say whether the lowest and highest value are not simply the first and last possible."""
    return bool(facts.get("ModalityLUTSequence")) or bool(is_padding.any())


def _counts(stored: Stored, values: Stored, is_table: bool) -> NDArray[np.int64]:
    """Count how often each possible value occurs."""
    if not is_table:
        return np.ones(stored.size, dtype=np.int64)
    places = stored.astype(np.int64).ravel()
    places -= int(values[0])
    return np.bincount(places, minlength=len(values))


def _look_up(stored: Stored, values: Stored, is_table: bool, table: Values) -> Picture:
    """Give each pixel the table's entry for its value."""
    if not is_table:
        return np.asarray(table.reshape(stored.shape), dtype=np.float32)
    line = _straight_line(values, table)
    if line is None:
        places = stored.astype(np.int64).ravel()
        places -= int(values[0])
        return np.take(table.astype(np.float32), places).reshape(stored.shape)
    slope, offset = line
    image = stored.astype(np.float32)
    image *= np.float32(slope)
    image += np.float32(offset)
    return np.clip(image, table.min(), table.max(), out=image)


def _straight_line(values: Stored, table: Values) -> tuple[float, float] | None:
    """Give (slope, offset) of the line that a table follows but for clipping; None if it does not.

    Working it out is three times as fast as looking it up. Good to 1e-5 of the table's span.
    """
    low, high = float(table.min()), float(table.max())
    inner = np.flatnonzero((table > low) & (table < high))
    x = values.astype(np.float64)
    if len(inner) < 2 or np.abs(x).max() > 2**20:  # float32 counts exactly to 2**24
        return None
    first, last = inner[0], inner[-1]
    slope = (table[last] - table[first]) / (x[last] - x[first])
    offset = table[first] - slope * x[first]
    misses = np.abs(np.clip(slope * x + offset, low, high) - table)
    return (slope, offset) if misses.max() < 1e-5 * (high - low) else None


def _modality(values: Stored, facts: Dataset) -> tuple[Values, NDArray[np.bool_]]:
    """Take values through the modality transformation; say which of them are padding."""
    wide = values.astype(np.float64 if values.dtype.kind == "f" else np.int64)
    modality = np.array(apply_modality_lut(wide, facts), dtype=np.float64)
    return modality, _padding(values, facts)


def _padding(values: Stored, facts: Dataset) -> NDArray[np.bool_]:
    """Find the values that only pad the image (PS3.3 C.7.5.1.1.2)."""
    first = facts.get("PixelPaddingValue")
    if first is None or values.dtype.kind not in "ui":
        return np.zeros(len(values), dtype=bool)
    ends = [_as_stored(int(first), values.dtype)]
    if facts.get("PixelPaddingRangeLimit") is not None:
        ends.append(_as_stored(int(facts.PixelPaddingRangeLimit), values.dtype))
    numbers = values.astype(np.int64)
    return np.asarray((numbers >= min(ends)) & (numbers <= max(ends)))


def _as_stored(value: int, dtype: np.dtype[np.generic]) -> int:
    """Read a value whose sign the file got wrong as the pixels are read: -2000 as 63536."""
    bits = 8 * dtype.itemsize
    value %= 2**bits
    return value - 2**bits if dtype.kind == "i" and value >= 2 ** (bits - 1) else value


def _refuse_blank(grey: Values) -> None:
    if grey.min() == grey.max():
        raise DataError(BLANK)


def _window(
    modality: Values, inside: Values, weights: NDArray[np.int64], facts: Dataset, rule: Intensity
) -> Values:
    """Map values to 0..1; `inside` are those that the image is made of, so often each."""
    if not len(inside):
        raise DataError("every pixel is padding (0028,0120)")
    if not np.isfinite(inside).all() or inside.min() == inside.max():
        raise DataError("the image is constant or not finite")
    if isinstance(rule, FixedWindow):
        return _stretch(modality, rule.centre - rule.width / 2, rule.centre + rule.width / 2)
    if isinstance(rule, DicomWindow):
        return _file_window(modality, inside, facts)
    low, high = _percentiles(inside, weights, rule)
    if low == high:
        raise DataError(f"percentiles {rule.low} and {rule.high} are one value: a constant image")
    return _stretch(modality, low, high)


def _file_window(modality: Values, inside: Values, facts: Dataset) -> Values:
    """Use the file's first VOI lookup table or window; without one, the image's own range."""
    if facts.get("VOILUTSequence"):
        table = facts.VOILUTSequence[0]
        highest = 2 ** int(table.LUTDescriptor[2]) - 1
        looked_up = apply_voi(np.rint(modality).astype(np.int64), facts)
        return _stretch(looked_up.astype(np.float64), 0, highest)
    if facts.get("WindowWidth") in (None, "") or facts.get("WindowCenter") in (None, ""):
        return _stretch(modality, float(inside.min()), float(inside.max()))
    far = np.array([-1e12, 1e12])  # what pydicom makes of these is its black and its white
    with np.errstate(over="ignore"):  # of the sigmoid's exponential
        black, white = apply_windowing(far, facts)
        shown = apply_windowing(modality, facts)
    return _stretch(shown, float(black), float(white))


def _percentiles(
    values: Values, counts: NDArray[np.int64], rule: PercentileWindow
) -> tuple[float, float]:
    """Give two percentiles of values that occur so often, as numpy.percentile does."""
    order = np.argsort(values, kind="stable")
    values, ends = values[order], np.cumsum(counts[order])
    places = np.array([rule.low, rule.high]) / 100 * (ends[-1] - 1)
    below = values[np.searchsorted(ends, np.floor(places), side="right")]
    above = values[np.searchsorted(ends, np.ceil(places), side="right")]
    low, high = below + (above - below) * (places - np.floor(places))
    return float(low), float(high)


def _stretch(values: Values, low: float, high: float) -> Values:
    """Map low..high to 0..1 and clip."""
    return np.clip((values - low) / (high - low), 0.0, 1.0)
