"""How a site's files became the patients of its parts: the flow of a study, and its first table.

All are counts under fixed names; they hold no word of a site, no path and nobody's name. CONSORT
(Schulz, Altman, Moher 2010) and CLAIM (Tejani et al. 2024) ask for both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from medfl_common.files import Json
from medfl_common.metrics.site_statistics import AGES, SEXES

Reason = Literal[
    "no_image", "copy", "rest_of_series", "unreadable", "modality", "view", "plane", "image_type",
    "burned_in", "series", "no_label", "label", "pixels", "twin", "other",
]  # fmt: skip
REASONS: tuple[Reason, ...] = get_args(Reason)  # their order is that of the counts
PASSED_OVER = REASONS[:3]  # no fault of the export, and nothing that the plan does not want
IN_WORDS: dict[Reason, str] = {
    "no_image": "no image: a link, a list of files, a hidden or a system file",
    "copy": "a copy of another file",
    "rest_of_series": "its series' middle image is taken",
    "unreadable": "the file cannot be read, or its header lacks what medfl needs",
    "modality": "another modality than the plan's",
    "view": "another view than the plan's",
    "plane": "another plane than the plan's",
    "image_type": "a localizer, mosaic, screen or subtraction picture",
    "burned_in": "text may be written into the image",
    "series": "no whole volume, or not the largest series of its study",
    "no_label": "no label, mask or box",
    "label": "the label, mask or box is unknown, or not the only one",
    "pixels": "the pixels, mask or box cannot be decoded, or the image is blank",
    "twin": "the pixels or the UID of another image",
    "other": "another reason",
}
STUDY_PARTS = ("train", "validation", "test")
# ViewPosition (0018,5101), or the code of the view; PS3.3 C.8.11.7, PS3.16 CID 4010 and 4014.
VIEWS = ("PA", "AP", "LL", "RL", "LATERAL", "CC", "MLO", "ML", "LM", "other or not known")
# How Manufacturer (0008,0070) begins, in capitals; several beginnings are one maker.
MAKERS = {
    "GE": ("GE",),
    "Siemens": ("SIEMENS",),
    "Philips": ("PHILIPS",),
    "Canon or Toshiba": ("CANON", "TOSHIBA"),
    "Fujifilm or Hitachi": ("FUJI", "HITACHI"),
    "Agfa": ("AGFA",),
    "Carestream or Kodak": ("CARESTREAM", "KODAK", "EASTMAN"),
    "Hologic or Lorad": ("HOLOGIC", "LORAD"),
    "other or not known": (),
}
Rows = tuple[tuple[int, ...], ...]  # (categories, parts) images; a row of zeros is not told


@dataclass(frozen=True)
class Participants:
    """One site's files, patients and parts, in numbers; 0: none, or kept back."""

    files: int  # of images that take part
    found_patients: int  # patients of whom a file can be read; 0: they are not counted
    reasons: tuple[int, ...]  # files that take no part, by REASONS
    reason_patients: tuple[int, ...]  # whose they are, as far as a header names them
    images: tuple[int, ...]  # by part
    patients: tuple[int, ...]  # by part
    classes: Rows
    ages: Rows
    sexes: Rows
    views: Rows
    makers: Rows


TABLES = ("classes", "ages", "sexes", "views", "makers")


def n_rows(n_classes: int) -> dict[str, int]:
    """Count the categories of each table."""
    return {
        "classes": n_classes,
        "ages": len(AGES),
        "sexes": len(SEXES),
        "views": len(VIEWS),
        "makers": len(MAKERS),
    }


def view_place(view: str) -> int:
    """Find a view among VIEWS; the last stands for all others."""
    return VIEWS.index(view) if view in VIEWS else len(VIEWS) - 1


def maker_place(written: str) -> int:
    """Find a Manufacturer among MAKERS by its beginning; the last stands for all others."""
    text = written.strip().upper()
    found = [any(map(text.startswith, begins)) for begins in MAKERS.values()]
    return found.index(True) if any(found) else len(MAKERS) - 1


def by_part(parts: Sequence[Sequence[int]], n: int) -> Rows:
    """Count categories: the place of each image, part by part, as (n, parts)."""
    return tuple(tuple(list(part).count(i) for part in parts) for i in range(n))


def participants_to_json(told: Participants) -> dict[str, Json]:
    """Write a flow for the run log; reasons by their codes, so a later list may be another."""
    own: dict[str, Json] = {"files": told.files, "found_patients": told.found_patients}
    for name in ("reasons", "reason_patients"):
        own[name] = dict(zip(REASONS, getattr(told, name), strict=True))
    for name in ("images", "patients"):
        own[name] = [*getattr(told, name)]
    for name in TABLES:
        own[name] = [[*row] for row in getattr(told, name)]
    return own


def participants_from_json(told: Mapping[str, Any]) -> Participants:
    """Read it; a reason of another version's list is left out."""
    counts = {
        name: tuple(int(told[name].get(code, 0)) for code in REASONS)
        for name in ("reasons", "reason_patients")
    }
    parts = {name: tuple(map(int, told[name])) for name in ("images", "patients")}
    tables = {name: tuple(tuple(map(int, row)) for row in told[name]) for name in TABLES}
    files, found = int(told["files"]), int(told["found_patients"])
    return Participants(files, found, **counts, **parts, **tables)  # type: ignore[arg-type]
