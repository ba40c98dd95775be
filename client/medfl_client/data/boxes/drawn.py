"""From what a list says of an image to boxes in the image's own pixels, or in the patient's mm."""

from collections.abc import Sequence

from medfl_client.config.box_files import BoxFiles
from medfl_client.data.boxes.listed import Box, Entry, Listed, Numbers
from medfl_client.data.boxes.names import meaning
from medfl_client.data.masks.names import IGNORE
from medfl_client.data.reader import Source

OVERHANG = 1.0  # pixels of the list's image; rounding makes no more
TWICE = "a box is listed twice and counts once"
NO_FRAME = "the file has several frames, and the list of boxes does not say which"
OTHER_ASPECT = "the boxes were drawn on an image of other proportions"


def boxes_of(
    entries: Sequence[Entry], source: Source, classes: Sequence[str], rules: BoxFiles
) -> tuple[tuple[Box, ...], tuple[str, ...]]:
    """Give the boxes of a source and what a person should know of them.

    Raises ValueError with the reason why the image cannot be used.
    """
    found: list[Box] = []
    notes: list[str] = []
    for entry in entries:
        if reason := entry.why_lost():
            raise ValueError(reason)
        for finding in entry.findings:
            name = meaning(finding.name, classes, rules)
            if name is None or name == IGNORE or not _is_of_frame(finding, source, rules):
                continue
            place = finding.place
            if not rules.position_columns:
                place = _in_pixels(finding, entry.size, source)
            box = Box(classes.index(name), place)
            if box in found:
                notes.append(TWICE)
            else:
                found.append(box)
    return tuple(found), tuple(notes)


def _is_of_frame(finding: Listed, source: Source, rules: BoxFiles) -> bool:
    """Say whether a finding is of the frame that a source is."""
    row = source.rows[0]
    if rules.position_columns or (row.frames <= 1 and not finding.frame):
        return True
    if not finding.frame:
        raise ValueError(NO_FRAME)
    if finding.frame > max(row.frames, 1):
        raise ValueError(_at(finding, f"frame {finding.frame}, and the file has {row.frames}"))
    return finding.frame == source.frame + 1


def _in_pixels(finding: Listed, size: tuple[int, int] | None, source: Source) -> Numbers:
    """Bring a place to the pixels of the file: (y0, x0, y1, x1), cut off where the image ends."""
    row = source.rows[0]
    width, height = size or (row.width, row.height)
    if not _is_alike((width, height), (row.width, row.height)):
        seen = f"{OTHER_ASPECT}: {width} x {height}, the file has {row.width} x {row.height}"
        raise ValueError(seen)
    x0, y0, x1, y1 = finding.place
    if min(x0, y0) < -OVERHANG or x1 > width + OVERHANG or y1 > height + OVERHANG:
        raise ValueError(_at(finding, f"the box lies outside the {width} x {height} pixels"))
    x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
    if x1 <= x0 or y1 <= y0:
        raise ValueError(_at(finding, f"the box lies outside the {width} x {height} pixels"))
    across, down = row.width / width, row.height / height
    return y0 * down, x0 * across, y1 * down, x1 * across


def _is_alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Say whether two sizes are one image's, but for a pixel that rounding costs the smaller."""
    small, large = sorted((one, other))
    if min(small) < 1:
        return False
    (w, h), (wide, high) = small, large
    return abs(h - high * w / wide) <= 1 or abs(w - wide * h / high) <= 1


def _at(finding: Listed, what: str) -> str:
    return f"list of boxes, {finding.where}: {what}"
