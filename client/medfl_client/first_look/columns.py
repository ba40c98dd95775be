"""Which column of a label file says what: the image, the label, the patient, the part."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from medfl_client.config.site_file import Join
from medfl_client.data.dicom.header import pseudonym
from medfl_client.data.given_split import WORDS as PARTS
from medfl_client.data.labels import SECRET, SPLIT
from medfl_client.first_look.classes import NEGATIVE, POSITIVE
from medfl_client.first_look.images import SeenImages
from medfl_client.first_look.sheet import Sheet, alike

MOST_ROWS = 2000  # of the label file, evenly over all, looked for among the images
# From what names one image to what names many; the finest that joins is taken.
FINEST: tuple[Join, ...] = (
    "SOPInstanceUID", "path", "SeriesInstanceUID", "StudyInstanceUID", "AccessionNumber",
    "PatientID",
)  # fmt: skip
LABEL_NAMES = ("label", "finding", "diagnosis", "class", "target", "category", "grade", "result")


@dataclass(frozen=True)
class Joining:
    """A column, what it holds, and why that is thought."""

    column: str
    join: Join
    why: str


def kind_of(column: str) -> Join | None:
    """Say what a column of this name holds; None: it is not known."""
    word = re.sub(r"[^a-z]", "", column.lower())
    kinds: dict[str, Join] = {kind.lower(): kind for kind in get_args(Join)}
    short: dict[str, Join] = {
        "sopuid": "SOPInstanceUID", "image": "path", "file": "path", "filename": "path",
        "imagepath": "path", "filepath": "path", "seriesuid": "SeriesInstanceUID",
        "studyuid": "StudyInstanceUID", "patient": "PatientID", "accession": "AccessionNumber",
    }  # fmt: skip
    return kinds.get(word) or short.get(word)


def joinings(sheet: Sheet, images: SeenImages | None, secret: bytes) -> list[Joining]:
    """List what columns may join labels and images, the likeliest first.

    Args:
        sheet: The label file.
        images: What is in the folder; None: nobody has looked, and the names of columns count.
        secret: The key of the pseudonyms.
    """
    found = _among(sheet, images, secret) if images is not None else []
    named = [(kind, column) for column in sheet.columns if (kind := kind_of(column))]
    order = get_args(Join)
    by_name = [
        Joining(column, kind, f"the column {column} is called as one that holds {kind}")
        for kind, column in sorted(named, key=lambda one: order.index(one[0]))
    ]
    return found or by_name


def _among(sheet: Sheet, images: SeenImages, secret: bytes) -> list[Joining]:
    """List the ways in which cells are found among the images: of the best, the finest first.

    The best find most cells, or the largest part of the images' keys: where the label file knows
    more images than are here, more cells are a patient's than an image's.
    """
    step = max(1, len(sheet.rows) // MOST_ROWS)
    some = sheet.rows[::step]
    ways: list[tuple[int, Join, str, int, float]] = []
    for column in sheet.columns:
        cells = [row[column] for row in some if row[column]]
        for join in FINEST:
            known = images.keys[join]
            keys = cells if join not in SECRET else [pseudonym(secret, cell) for cell in cells]
            if n := sum(key in known for key in keys):
                part = len(known.intersection(keys)) / len(known)
                ways.append((n, join, column, len(cells), part))
    most = max((n for n, *_ in ways), default=0)
    largest = max((part for *_, part in ways), default=0.0)
    near = [way for way in ways if way[0] >= 0.9 * most or way[-1] >= 0.9 * largest]
    return [
        Joining(column, join, f"{n:,} of {n_cells:,} cells of {column} are an image's {join} here")
        for n, join, column, n_cells, _ in sorted(near, key=lambda way: FINEST.index(way[1]))
    ]


def label_columns(sheet: Sheet, classes: Sequence[str], but: str) -> list[tuple[str, str]]:
    """List (column, why) of columns that may be labels, the likeliest first.

    Args:
        sheet: The label file.
        classes: The plan's; empty: there is no plan yet.
        but: The column that says which image.
    """
    wanted = {alike(name) for name in classes}
    signs = NEGATIVE | POSITIVE if len(classes) == 2 else set()
    ranks = []
    for column in sheet.columns:
        words = sheet.words[column]
        n_known = sum(n for word, n in words.items() if alike(word) in wanted)
        n_signs = sum(n for word, n in words.items() if word.casefold() in signs)
        is_named = any(name in alike(column) for name in (*LABEL_NAMES, *wanted))
        if column == but or not (n_known or sheet.may_be_labels(column)):
            continue
        n_filled = len(sheet.rows) - words[""]
        why = f"{n_known:,} of {n_filled:,} words of {column} are classes of the plan"
        if not n_known:
            why = f"{column} has few different words" + ", and a label's name" * is_named
            why += f", and {n_signs:,} times yes or no" * bool(n_signs)
        is_number = all(word.replace(".", "", 1).isdigit() for word in words if word)
        ranks.append(((-n_known, -n_signs, not is_named, is_number, len(words)), column, why))
    return [(column, why) for _, column, why in sorted(ranks)]


def finding_columns(sheet: Sheet, findings: Sequence[str]) -> dict[str, str]:
    """Give the column of each finding that has one of its name."""
    by_name = {alike(column): column for column in reversed(sheet.columns)}
    return {
        name: name if name in sheet.columns else by_name[alike(name)]
        for name in findings
        if name in sheet.columns or alike(name) in by_name
    }


def patient_column(sheet: Sheet) -> str:
    """Name the column that says who an image is of; empty: there is none of such a name."""
    return next((name for name in sheet.columns if kind_of(name) == "PatientID"), "")


def split_column(sheet: Sheet) -> str:
    """Name the column that says who trains, validates and tests; empty: there is none."""
    for name in sorted(sheet.columns, key=lambda name: name != SPLIT):
        words = {word.lower() for word in sheet.words[name]}
        if words <= PARTS.keys() and len(words) > 1:
            return name
    return ""


def separator_in(words: Counter[str], findings: Sequence[str]) -> str:
    """Give what stands between findings in one cell; empty: nothing that is known."""
    wanted = {alike(name) for name in findings}

    def n_known(sign: str) -> int:
        return sum(
            n for cell, n in words.items()
            if any(alike(word) in wanted for word in cell.split(sign))
        )  # fmt: skip

    best = max("|;,/+&", key=n_known)
    return best if n_known(best) else ""


def position_columns(sheet: Sheet) -> list[str]:
    """Name the columns of x, y and z; empty: there are none of such names."""
    found = []
    for axis in "xyz":
        usual = (axis, f"coord{axis}", f"pos{axis}", f"position{axis}", f"{axis}mm")
        found.append(next((name for name in sheet.columns if alike(name) in usual), ""))
    return found if all(found) else []
