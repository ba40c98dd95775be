"""Look-up tables of a header: modality, VOI and palette (PS3.3 C.11.1.1, C.11.2.1.1, C.7.6.3.1.5).

An entry is a 16-bit word, or, where there are half as many words as entries, a byte of one. A first
number of 0 means 65536 entries. The first input is signed where the inputs are.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medfl_client.data.dicom.frames import Stored
from medfl_client.data.dicom.numbers import has_value, integers, named, value_representation
from medfl_common.errors import DataError

Words = NDArray[np.int64]
MAX_ENTRIES = 2**16
COLOURS = ("Red", "Green", "Blue")


@dataclass(frozen=True)
class Table:
    """A look-up table: input `first` gives the first entry."""

    first: int
    bits: int  # of an entry
    entries: Words

    @property
    def highest(self) -> int:
        """Give the highest entry that the bits can hold."""
        return int(2**self.bits - 1)

    @property
    def used(self) -> float:
        """Give the highest entry as a part of what the bits can hold."""
        return float(self.entries.max()) / self.highest

    def look_up(self, values: Stored) -> Words:
        """Give each value its entry; values before the first and after the last have those."""
        inputs = values.astype(np.int64)
        first = self.first
        if first >= MAX_ENTRIES // 2 and inputs.min(initial=0) < 0:
            first -= MAX_ENTRIES  # a negative number that is written as unsigned
        return self.entries[np.clip(inputs - first, 0, len(self.entries) - 1)]


def table_of(item: Dataset) -> Table:
    """Read the table of an item of ModalityLUTSequence or VOILUTSequence."""
    return _table(item, "LUTDescriptor", "LUTData")


def palette_of(facts: Dataset) -> tuple[Table, Table, Table]:
    """Read the tables of red, green and blue, plain or in segments."""
    red, green, blue = (_of_colour(facts, colour) for colour in COLOURS)
    return red, green, blue


def _of_colour(facts: Dataset, colour: str) -> Table:
    descriptor = f"{colour}PaletteColorLookupTableDescriptor"
    plain = f"{colour}PaletteColorLookupTableData"
    if has_value(facts, plain):
        return _table(facts, descriptor, plain)
    return _of_segments(facts, descriptor, f"Segmented{plain}")


def _table(facts: Dataset, descriptor: str, data: str) -> Table:
    n, first, bits = _described(facts, descriptor)
    words = integers(facts, data)
    is_half = len(words) < n <= 2 * len(words)
    if is_half and bits > 8 and "Palette" in data:  # a palette whose descriptor says 16 for bytes
        is_half, bits = 2 * len(words) - n <= 1, 8
    if value_representation(facts, data) == "OB" or (is_half and bits == 8):
        words, bits = np.stack([words & 0xFF, words >> 8], axis=1).ravel(), 8
    elif bits == 8 and words[:n].max(initial=0) > 255:
        bits = 16
    if len(words) < n:
        raise DataError(
            f"{named(data)} holds {len(words)} entries where {named(descriptor)} says {n}"
        )
    return Table(first, bits, words[:n])


def _described(facts: Dataset, keyword: str) -> tuple[int, int, int]:
    """Read a descriptor: how many entries, the first input, bits of an entry."""
    found = integers(facts, keyword)
    if len(found) != 3 or not 8 <= found[2] <= 16:
        seen = "\\".join(map(str, found.tolist())) or "missing"
        raise DataError(f"{named(keyword)} is {seen}; entries\\first\\bits, 8 to 16, are needed")
    n, first, bits = found.tolist()
    is_signed = value_representation(facts, keyword) == "SS" and first >= MAX_ENTRIES // 2
    return n or MAX_ENTRIES, first - MAX_ENTRIES * is_signed, bits


def _of_segments(facts: Dataset, descriptor: str, data: str) -> Table:
    """Expand a segmented palette (PS3.3 C.7.9.2)."""
    n, first, bits = _described(facts, descriptor)
    words = integers(facts, data)
    size = 2 if bits > 8 else 1
    codes = words if size == 2 else np.stack([words & 0xFF, words >> 8], axis=1).ravel()
    entries: list[int] = []
    try:
        _expand(codes.tolist(), 0, None, entries, size, n)
    except IndexError:
        raise DataError(f"{named(data)} ends within a segment") from None
    if len(entries) < n:
        raise DataError(
            f"{named(data)} expands to {len(entries)} entries where {named(descriptor)} says {n}"
        )
    return Table(first, 8 * size, np.array(entries[:n], dtype=np.int64))


def _expand(
    codes: list[int], place: int, n_segments: int | None, entries: list[int], size: int, n: int
) -> None:
    """Append the entries of the segments from `place` on: all, or so many."""
    done = 0
    while len(entries) < n and place + 1 < len(codes) and done != n_segments:
        kind, length = codes[place], codes[place + 1]
        place, done = place + 2, done + 1
        if kind == 0:  # discrete: the entries themselves
            entries += codes[place : place + length]
            place += length
        elif kind == 1 and entries:  # linear: from the last entry to this
            line = np.linspace(entries[-1], codes[place], length + 1)[1:]
            entries += np.rint(line).astype(int).tolist()
            place += 1
        elif kind == 2 and n_segments is None:  # indirect: so many segments from a byte on
            parts = codes[place : place + 4 // size]
            start = sum(part << (8 * size * i) for i, part in enumerate(parts)) // size
            _expand(codes, start, length, entries, size, n)
            place += 4 // size
        else:
            raise DataError(f"a segmented palette (0028,1221 to 1223) has a segment of kind {kind}")
