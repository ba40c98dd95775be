"""A label file as a person sees it: columns, and how often each word stands in them."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from medfl_client.config.site_file import DataFiles
from medfl_client.data.label_file import read_rows, way_of_writing

MOST_WORDS = 64  # different ones in a column of labels; a plan has no more classes
MOST_LETTERS = 200  # of a word that may be a label


@dataclass(frozen=True)
class Sheet:
    """The rows of a label file, and how they are written."""

    encoding: str
    separator: str
    rows: list[dict[str, str]]

    @property
    def columns(self) -> list[str]:
        """Name the columns; the last ones of a spreadsheet may have no name."""
        return [name for name in self.rows[0] if name] if self.rows else []

    @cached_property
    def words(self) -> dict[str, Counter[str]]:
        """Count the words of each column; a blank cell is the empty word."""
        return {name: Counter(row[name] for row in self.rows) for name in self.columns}

    def shown(self, column: str) -> str:
        """Say what a column has: `normal 9,210, opacity 3,100, blank 121`."""
        words = self.words[column].copy()
        blank = words.pop("", 0)
        return ", ".join([in_words(words)] * bool(words) + [f"blank {blank:,}"] * bool(blank))

    def may_be_labels(self, column: str) -> bool:
        """Say whether a column has few different words, each often."""
        words = self.words[column].keys() - {""}
        n_filled = len(self.rows) - self.words[column][""]
        is_few = 1 <= len(words) <= MOST_WORDS and (2 * len(words) <= n_filled or n_filled < 10)
        return is_few and all(len(word) <= MOST_LETTERS for word in words)


def read_sheet(path: Path) -> Sheet:
    """Read a label file in the way in which it seems to be written; raises DataError with a line.

    Columns need no names here: which of them count is still to be asked.
    """
    encoding, separator = way_of_writing(path)
    data = DataFiles(folder="", labels_from="folder", encoding=encoding, cell_separator=separator)  # type: ignore[arg-type]
    return Sheet(encoding, separator, [cells for _, cells in read_rows(path, data, ())])


def in_words(counts: Counter[str], most: int = 6) -> str:
    """Write counts, the most frequent first."""
    found = counts.most_common()
    words = ", ".join(f"{name[:MOST_LETTERS]} {n:,}" for name, n in found[:most])
    return words if len(found) <= most else f"{words}, and {len(found) - most:,} more"


def alike(text: str) -> str:
    """Give what is left of a word without letter case, blanks and signs between words."""
    return re.sub(r"[\s_\-./]+", "", text.casefold()) or text.strip()
