"""The window that a file carries: VOI look-up table, or centre and width (PS3.3 C.11.2)."""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medfl_client.data.dicom.lookup import table_of
from medfl_client.data.dicom.numbers import first_number, has_value, items_of, named, word
from medfl_common.errors import DataError

Values = NDArray[np.float64]
SMALLEST = {"LINEAR": "1 or more", "LINEAR_EXACT": "more than 0", "SIGMOID": "more than 0"}


def file_window(modality: Values, inside: Values, facts: Dataset) -> Values:
    """Map values to 0..1 by the first table or window; without one, by the image's own range."""
    tables = items_of(facts, "VOILUTSequence")
    if tables:
        table = table_of(tables[0])
        looked_up = table.look_up(np.rint(np.clip(modality, -(2**40), 2**40)))
        return stretch(looked_up.astype(np.float64), 0, table.highest)
    if not (has_value(facts, "WindowWidth") and has_value(facts, "WindowCenter")):
        return stretch(modality, float(inside.min()), float(inside.max()))
    centre, width = _centre_and_width(facts)
    function = word(facts, "VOILUTFunction") or "LINEAR"
    if function not in SMALLEST:
        raise DataError(
            f"{named('VOILUTFunction')} is {function[:16]!r}; DICOM knows {', '.join(SMALLEST)}"
        )
    if width < 1 if function == "LINEAR" else width <= 0:
        raise DataError(f"{named('WindowWidth')} is {width:g}; DICOM allows {SMALLEST[function]}")
    if function == "SIGMOID":
        with np.errstate(over="ignore"):
            return np.asarray(1 / (1 + np.exp(-4 * (modality - centre) / width)))
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    if width == 0:
        return (modality > centre).astype(np.float64)
    return np.clip((modality - centre) / width + 0.5, 0.0, 1.0)


def _centre_and_width(facts: Dataset) -> tuple[float, float]:
    """Read the first window; the reason names each of the two that is no number."""
    found, reasons = [], []
    for keyword in ("WindowCenter", "WindowWidth"):
        try:
            found.append(first_number(facts, keyword))
        except DataError as error:
            reasons.append(error.what)
    if reasons:
        raise DataError("; ".join(reasons))
    return float(found[0] or 0), float(found[1] or 0)


def stretch(values: Values, low: float, high: float) -> Values:
    """Map low..high to 0..1 and clip."""
    return np.clip((values - low) / (high - low), 0.0, 1.0)
