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

from medfl_client.data.dicom.frames import Stored
from medfl_client.data.dicom.lookup import palette_of, table_of
from medfl_client.data.dicom.numbers import items_of, named, one_number, whole_number
from medfl_client.data.dicom.window import file_window, stretch
from medfl_common.errors import DataError
from medfl_common.plan.images import DicomWindow, FixedWindow, Intensity, PercentileWindow

Picture = NDArray[np.float32]
Values = NDArray[np.float64]

BLANK = "one grey is left of the image by the window; there is nothing in it to learn"
CONSTANT = "the image is constant: every pixel is {:g}"
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

    Pixel padding becomes the lowest value of the picture; a picture of nothing else is NaN.
    """
    values, is_table = _possible(stored)
    modality, is_padding = _modality(values, facts)
    if is_padding.any():
        occurs = (_counts(stored, values, is_table) > 0) & ~is_padding
        if not occurs.any():
            return np.full(stored.shape, np.nan, dtype=np.float32)
        modality[is_padding] = modality[occurs].min()
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
        planes = [
            table.look_up(stored).astype(np.float32) / np.float32(table.highest)
            for table in palette_of(facts)
        ]
        scaled = np.stack(planes, axis=-1)
    elif stored.ndim != 3 or stored.shape[2] != 3:
        raise DataError(
            f"{named('SamplesPerPixel')} is {stored.shape[2] if stored.ndim == 3 else 1}; "
            "colour needs 3"
        )
    else:
        bits = whole_number(facts, "BitsStored") or 8 * stored.dtype.itemsize
        scaled = stored.astype(np.float32) / np.float32(2**bits - 1)
    if scaled.min() == scaled.max():
        raise DataError(CONSTANT.format(scaled.min()))
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
    return "ModalityLUTSequence" in facts or bool(is_padding.any())


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
    is_padding = _padding(values, facts)
    tables = items_of(facts, "ModalityLUTSequence")
    if tables:
        entries = table_of(tables[0]).look_up(values)
        return entries.astype(np.float64), is_padding
    modality = values.astype(np.float64)
    slope = one_number(facts, "RescaleSlope")
    intercept = one_number(facts, "RescaleIntercept")
    if slope == 0:
        raise DataError(f"{named('RescaleSlope')} is 0: every pixel would have one value")
    if slope is not None:
        modality *= slope
    if intercept is not None:
        modality += intercept
    return modality, is_padding


def _padding(values: Stored, facts: Dataset) -> NDArray[np.bool_]:
    """Find the values that only pad the image (PS3.3 C.7.5.1.1.2)."""
    if values.dtype.kind == "f":
        return _float_padding(values, facts)
    first = whole_number(facts, "PixelPaddingValue")
    if first is None:
        return np.zeros(len(values), dtype=bool)
    last = whole_number(facts, "PixelPaddingRangeLimit")
    ends = [_as_stored(end, values.dtype) for end in (first, first if last is None else last)]
    numbers = values.astype(np.int64)
    return np.asarray((numbers >= min(ends)) & (numbers <= max(ends)))


def _float_padding(values: Stored, facts: Dataset) -> NDArray[np.bool_]:
    """Find the padding of a parametric map (PS3.3 C.7.6.24); it may be said to be NaN."""
    kind = "DoubleFloat" if values.dtype.itemsize == 8 else "Float"
    names = f"{kind}PixelPaddingValue", f"{kind}PixelPaddingRangeLimit"
    try:
        ends = [end for end in (one_number(facts, name) for name in names) if end is not None]
    except DataError:  # a value that is no number
        return ~np.isfinite(values)
    if not ends:
        return np.zeros(len(values), dtype=bool)
    floats = values.astype(np.float64)
    return np.asarray((floats >= min(ends)) & (floats <= max(ends)))


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
    if not np.isfinite(inside).all():
        raise DataError("pixels are not finite: NaN, or too large for a number")
    if inside.min() == inside.max():
        raise DataError(CONSTANT.format(inside.min()))
    if isinstance(rule, FixedWindow):
        return stretch(modality, rule.centre - rule.width / 2, rule.centre + rule.width / 2)
    if isinstance(rule, DicomWindow):
        return file_window(modality, inside, facts)
    low, high = _percentiles(inside, weights, rule)
    if low == high:
        raise DataError(f"percentiles {rule.low} and {rule.high} are one value: a constant image")
    return stretch(modality, low, high)


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
