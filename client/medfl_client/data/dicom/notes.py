"""What a header says that may not be meant: the image is used, and readiness warns.

A note is kept in the index as one word, such as comma:WindowCenter; `sentence` says it to people.
"""

from contextlib import suppress

from pydicom.dataset import Dataset

from medfl_client.data.dicom.lookup import table_of
from medfl_client.data.dicom.numbers import has_decimal_comma, has_value, items_of, named, word
from medfl_client.data.dicom.spacing import SPACINGS, known_spacing
from medfl_common.errors import DataError

DARK = 0.3  # part of its range below which a VOI table is taken for a mistake
_SHAPES = {"MONOCHROME1": "INVERSE", "MONOCHROME2": "IDENTITY"}
_DECIMALS = ("WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept", *SPACINGS)


def notes_of(facts: Dataset) -> str:
    """Give the notes on one header, apart by blanks."""
    found = [f"comma:{name}" for name in _DECIMALS if has_decimal_comma(facts, name)]
    shape, meant = word(facts, "PresentationLUTShape"), word(facts, "PhotometricInterpretation")
    if shape in _SHAPES.values() and _SHAPES.get(meant, shape) != shape:
        found.append(f"shape:{shape}")
    if has_value(facts, "RescaleSlope") != has_value(facts, "RescaleIntercept"):
        found.append("half:")
    if any(has_value(facts, name) for name in SPACINGS) and known_spacing(facts) is None:
        found.append("spacing:")
    with suppress(DataError):  # decoding it gives the reason
        tables = map(table_of, items_of(facts, "VOILUTSequence")[:1])
        found += [f"table:{round(100 * table.used)}" for table in tables if table.used < DARK]
    return " ".join(found)


def sentence(note: str) -> tuple[str, str]:
    """Give what a note means, and what to do about it."""
    kind, _, value = note.partition(":")
    if kind == "comma":
        return f"images with a decimal comma in {named(value)}", "medfl reads it as a decimal point"
    if kind == "shape":
        return (
            f"images whose {named('PresentationLUTShape')} {value} contradicts "
            f"{named('PhotometricInterpretation')}",
            "medfl follows the shape, as viewers do; look at them on the page",
        )
    if kind == "half":
        return (
            f"images with only one of {named('RescaleSlope')} and {named('RescaleIntercept')}",
            "medfl takes the slope as 1 or the intercept as 0",
        )
    if kind == "spacing":
        return (
            f"images whose {named('PixelSpacing')} is no pair of millimetres",
            "medfl takes their pixels as square; a plan with spacing_mm leaves them out",
        )
    return (
        f"images whose VOI table (0028,3010) uses {value} % of its range",
        "they are as dark as the table says; export them again if that is not meant",
    )
