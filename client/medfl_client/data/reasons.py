"""Reasons why files take no part: counted without their figures, and which are no fault."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping

from medfl_client.data.listing import NO_IMAGES
from medfl_client.data.selection import COPY, MIDDLE

NO_FAULT = NO_IMAGES | {COPY, MIDDLE}
# A tag, such as (0028,1051), or a UID stays; a number, a quoted value or a list of them goes.
_KEPT = r"\([0-9A-Fa-f]{4},[^)]*\)|\d+(?:\.\d+){3,}"
_QUOTED = r"'[^']*'|\"[^\"]*\"|\[[^\]]*\]"
# what stands behind a tag, as in: WindowWidth (0028,1051) is -5; DICOM allows 1 or more
_OF_TAG = r"(?<=\([\dA-F]{4},[\dA-F]{4}\) is )(?!missing|empty|damaged|used|no)[^;:]+"
_NUMBER = r"(?<![\w.])[-+]?\d+(?:[.,]\d+)*(?:e[-+]?\d+)?(?!\w)|\b(?:nan|inf)\b"
_FIGURE = re.compile(f"({_KEPT})|{_OF_TAG}|{_QUOTED}|{_NUMBER}", re.IGNORECASE)


def without_figures(reason: str) -> str:
    """Give a reason with … in place of each value that it quotes."""
    return _FIGURE.sub(lambda found: found[1] or "…", reason)


def count_reasons(refused: Mapping[str, str]) -> dict[str, int]:
    """Count files by reason, most frequent first; those that differ in figures are one reason.

    Args:
        refused: File -> reason.
    """
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    for reason, n in Counter(refused.values()).items():
        groups[without_figures(reason)][reason] = n
    counts = {
        group if len(reasons) > 1 else next(iter(reasons)): reasons.total()
        for group, reasons in groups.items()
    }
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def count_faults(refused: Mapping[str, str]) -> int:
    """Count the files that are left out for a fault, or because the plan does not want them."""
    return sum(reason not in NO_FAULT for reason in refused.values())


def file_rows(n_used: int, refused: Mapping[str, str]) -> list[list[str]]:
    """Say what became of files: rows of (how many, what), the same in every command."""
    rows = [[f"{n_used:,}", "used"]]
    for reason, n in count_reasons(refused).items():
        rows.append([f"{n:,}", f"{'passed over' if reason in NO_FAULT else 'left out'}: {reason}"])
    return rows
