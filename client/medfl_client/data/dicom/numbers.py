"""Numbers of a header: read from the bytes as they stand, and refused by tag and value.

pydicom's own conversion gives a number, a text or an exception, and takes NaN for a number. Here a
value is a finite number, or the reason names the element and shows what is in it. A comma is no
character of a decimal string (PS3.5 6.2); a lone one is read as the decimal point that is meant.
"""

import math
import re
from functools import cache

import numpy as np
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from medfl_common.errors import DataError

MAX_SHOWN = 40  # letters of a value that a reason shows
_BINARY = {"US": "u2", "SS": "i2", "UL": "u4", "SL": "i4", "FL": "f4", "FD": "f8", "OW": "u2"}
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d*([eE][+-]?\d+)?")


def named(keyword: str) -> str:
    """Give an element's keyword and tag, such as WindowWidth (0028,1051)."""
    tag = Tag(keyword)
    return f"{keyword} ({tag.group:04X},{tag.element:04X})"


def has_value(facts: Dataset, keyword: str) -> bool:
    """Say whether an element is there and not empty."""
    return bool(_parts(facts, keyword))


def numbers(facts: Dataset, keyword: str) -> tuple[float, ...]:
    """Give an element's values; none where it is absent or empty.

    Raises DataError, naming the element and its value, where one is not a finite number.
    """
    return _checked(_parts(facts, keyword), keyword)


def numbers_in(text: str, keyword: str) -> tuple[float, ...]:
    """Read the values of an element from its text, as `numbers` does."""
    return _checked(tuple(filter(None, map(str.strip, text.split("\\")))), keyword)


def _checked(parts: tuple[str, ...], keyword: str) -> tuple[float, ...]:
    found = tuple(map(_number, parts))
    if not all(map(math.isfinite, found)):
        raise DataError(f"{named(keyword)} is {shown(parts)}; a number is needed")
    return found


def first_number(facts: Dataset, keyword: str) -> float | None:
    """Give the first of an element's values, where several are alternatives."""
    found = numbers(facts, keyword)
    return found[0] if found else None


def one_number(facts: Dataset, keyword: str) -> float | None:
    """Give the one value of an element; several that are equal are one."""
    found = numbers(facts, keyword)
    if len(set(found)) > 1:
        raise DataError(f"{named(keyword)} is {shown(_parts(facts, keyword))}; one value is needed")
    return found[0] if found else None


def whole_number(facts: Dataset, keyword: str) -> int | None:
    """Give the one value of an element that counts something."""
    found = one_number(facts, keyword)
    if found is not None and found != int(found):
        raise DataError(f"{named(keyword)} is {found:g}; a whole number is needed")
    return None if found is None else int(found)


def word(facts: Dataset, keyword: str) -> str:
    """Give the first value of an element of text in capitals; empty where there is none."""
    parts = _parts(facts, keyword)
    return parts[0].upper() if parts else ""


def words(facts: Dataset, keyword: str) -> tuple[str, ...]:
    """Give the values of an element of text in capitals; blank ones too, as places count."""
    return tuple(part.upper() for part in _all_parts(facts, keyword))


def has_decimal_comma(facts: Dataset, keyword: str) -> bool:
    """Say whether a number of an element is written with a comma."""
    element = _element(facts, keyword)
    if element is None or (isinstance(element.value, bytes) and b"," not in element.value):
        return False  # most files: nothing is converted
    return any(map(_DECIMAL_COMMA.fullmatch, _parts(facts, keyword)))


def shown(parts: tuple[str, ...] | str) -> str:
    """Give values for a reason: bounded, and without letters that a screen obeys."""
    text = parts if isinstance(parts, str) else "\\".join(parts)
    cut = text[:MAX_SHOWN] + ("..." if len(text) > MAX_SHOWN else "")
    return "".join(letter if letter.isprintable() else "?" for letter in cut) or "empty"


def items_of(facts: Dataset, keyword: str) -> list[Dataset]:
    """Give the items of a sequence; none where it is absent. Raises DataError where it is none."""
    if _tag(keyword) not in facts:
        return []
    try:
        found = list(facts[_tag(keyword)].value or ())
    except MemoryError:
        raise
    except Exception:  # whatever a parser makes of it
        found = [None]
    if not all(isinstance(item, Dataset) for item in found):
        raise DataError(f"{named(keyword)} is damaged: it is no sequence of items")
    return found


def integers(facts: Dataset, keyword: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Give an element of 16-bit numbers, unsigned, whatever its value representation says."""
    element = _element(facts, keyword)
    value = None if element is None else element.value
    if isinstance(value, bytes):
        is_little = getattr(element, "is_little_endian", True)
        even = value[: len(value) // 2 * 2]
        return np.frombuffer(even, "<u2" if is_little else ">u2").astype(np.int64)
    if value is None:
        return np.zeros(0, dtype=np.int64)
    return np.atleast_1d(np.asarray(value, dtype=np.int64)) & 0xFFFF


def value_representation(facts: Dataset, keyword: str) -> str:
    """Give an element's value representation as the file says it; empty where it does not."""
    element = _element(facts, keyword)
    return str(element.VR or "") if element is not None else ""


def _number(text: str) -> float:
    """Read one number; NaN where it is none."""
    if _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    try:
        return float(text) if "_" not in text else math.nan
    except ValueError:
        return math.nan


def _parts(facts: Dataset, keyword: str) -> tuple[str, ...]:
    return tuple(part for part in _all_parts(facts, keyword) if part)


def _all_parts(facts: Dataset, keyword: str) -> tuple[str, ...]:
    """Give an element's values as texts."""
    element = _element(facts, keyword)
    value = None if element is None else element.value
    if element is None or value is None:
        return ()
    if isinstance(value, bytes):
        return _parts_of_bytes(value, element, keyword)
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        value = str(value).split("\\")
    return tuple(str(part).strip(" \0") for part in value)


def _element(facts: Dataset, keyword: str) -> DataElement | RawDataElement | None:
    found: DataElement | RawDataElement | None = facts.get_item(_tag(keyword))
    return found


_tag = cache(Tag)


def _parts_of_bytes(
    value: bytes, element: DataElement | RawDataElement, keyword: str
) -> tuple[str, ...]:
    vr = element.VR or dictionary_VR(keyword)
    kind = _BINARY.get("US" if " or " in vr else vr)
    if kind is None:
        return tuple(part.strip(" \0") for part in value.decode("latin-1").split("\\"))
    size = int(kind[1])
    order = "<" if getattr(element, "is_little_endian", True) else ">"
    if len(value) % size:
        return (f"{len(value)} bytes",)
    return tuple(str(number) for number in np.frombuffer(value, order + kind).tolist())
