"""How far apart pixels are, and whether they are square (PS3.3 10.7.1.3, C.7.6.3.1.7)."""

from pydicom.dataset import Dataset

from medfl_client.data.dicom.numbers import has_value, named, numbers, shown
from medfl_common.errors import DataError

# In the order in which they are asked: in the patient, at the detector, on a scanned film.
SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
SQUARE = 1e-3  # sides that differ by a smaller part are equal
SMALLEST_MM, LARGEST_MM = 0.001, 100.0


def pixel_spacing(facts: Dataset) -> tuple[float, float]:
    """Give the mm from row to row and from column to column; raises DataError without them."""
    for keyword in SPACINGS:
        if has_value(facts, keyword):
            return _pair(facts, keyword)
    raise DataError(f"{named('PixelSpacing')} is missing; the plan resamples to millimetres")


def known_spacing(facts: Dataset) -> tuple[float, float] | None:
    """Give the first spacing that can be used; None where there is none."""
    for keyword in SPACINGS:
        try:
            if has_value(facts, keyword):
                return _pair(facts, keyword)
        except DataError:
            continue
    return None


def pixel_shape(facts: Dataset) -> tuple[float, float]:
    """Give a pixel's height and width, where only their ratio counts; (1, 1) for square ones."""
    sides = known_spacing(facts) or _aspect(facts)
    return (1.0, 1.0) if abs(sides[0] - sides[1]) <= SQUARE * max(sides) else sides


def _pair(facts: Dataset, keyword: str) -> tuple[float, float]:
    found = numbers(facts, keyword)
    if len(found) != 2 or not all(SMALLEST_MM < mm < LARGEST_MM for mm in found):
        seen = shown("\\".join(f"{mm:g}" for mm in found))
        raise DataError(
            f"{named(keyword)} is {seen}; two numbers between {SMALLEST_MM:g} and {LARGEST_MM:g} "
            "mm are needed"
        )
    return found[0], found[1]


def _aspect(facts: Dataset) -> tuple[float, float]:
    """Read PixelAspectRatio (0028,0034): vertical, horizontal; what is no ratio is square."""
    try:
        found = numbers(facts, "PixelAspectRatio")
    except DataError:
        return 1.0, 1.0
    if len(found) != 2 or min(found) <= 0 or max(found) > 100 * min(found):
        return 1.0, 1.0
    return found[0], found[1]
