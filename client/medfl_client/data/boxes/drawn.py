"""From what a list says of an image to boxes in the image's own pixels, or in the patient's mm."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from medfl_client.config.box_files import BoxFiles
from medfl_client.data.boxes.joined import NO_ENTRY
from medfl_client.data.boxes.listed import Box, Entry, Listed, Numbers, in_list
from medfl_client.data.boxes.names import NOTHING, meaning
from medfl_client.data.masks.names import IGNORE
from medfl_client.data.reader import Source
from medfl_common.plan.dense import SAME_BOX

OVERHANG = 1.0  # pixels of the list's image; rounding makes no more
TWICE = "a box is listed twice and counts once"
ALIKE = "boxes of one class overlap so far that they may be one finding, drawn by several readers"
NO_FRAME = "the file has several frames, and the list of boxes does not say which"
OTHER_ASPECT = "the boxes were drawn on an image of other proportions"


@dataclass
class _Said:
    """What an entry says in words of the plan."""

    boxes: list[tuple[str, Listed]] = field(default_factory=list)  # class, finding
    bare: list[tuple[str, Listed]] = field(default_factory=list)  # without a place
    nothing: str = ""  # where it says so
    is_seen: bool = False  # somebody looked, if only at what is ignored


def boxes_of(
    entries: Sequence[Entry], source: Source, classes: Sequence[str], rules: BoxFiles
) -> tuple[tuple[Box, ...], tuple[str, ...]]:
    """Give the boxes of a source and what a person should know of them.

    Raises ValueError with the reason why the image cannot be used.
    """
    found: list[Box] = []
    notes: list[str] = []
    is_seen = False
    for entry in entries:
        for part in _parts(entry, source, classes, rules):
            is_seen |= part.is_seen
            for name, finding in part.boxes:
                place = finding.place
                if not rules.position_columns:
                    place = _in_pixels(finding, entry.size, source)
                box = Box(classes.index(name), place)
                if box in found:
                    notes.append(TWICE)
                else:
                    found.append(box)
    if not is_seen:
        raise ValueError(NO_ENTRY)
    return tuple(found), (*notes, *_alike(found, bool(rules.position_columns)))


def _parts(entry: Entry, source: Source, classes: Sequence[str], rules: BoxFiles) -> list[_Said]:
    """Give what an entry says of a file, and of the frame of it that a source is."""
    row = source.rows[0]
    n_frames = max(row.frames, 1)
    beyond = next((n for n in entry.frames if n > n_frames), 0)
    if beyond:
        where = entry.frames[beyond].where
        raise ValueError(in_list(where, f"frame {beyond}, and the file has {n_frames}"))
    whole, parts = _said([entry], classes, rules), []
    if whole.boxes and n_frames > 1 and not rules.position_columns:
        raise ValueError(NO_FRAME)
    if whole.nothing or whole.bare:
        _refuse_contradiction(whole, _said([entry, *entry.frames.values()], classes, rules).boxes)
    own = entry.frames.get(source.frame + 1)
    if own is not None:
        parts.append(_said([own], classes, rules))
        _refuse_contradiction(parts[0], parts[0].boxes)
    return [whole, *parts]


def _said(entries: Iterable[Entry], classes: Sequence[str], rules: BoxFiles) -> _Said:
    """Read entries; raises ValueError for a box of a class of the plan that cannot be."""
    said = _Said()
    for entry in entries:
        if entry.fault:
            raise ValueError(entry.fault)
        said.nothing = said.nothing or entry.nothing
        for finding in entry.findings:
            name = meaning(finding.name, classes, rules)
            if name is None or name == IGNORE:
                said.is_seen |= finding.is_box
            elif name == NOTHING:
                said.nothing = said.nothing or finding.where
            elif finding.fault:
                raise ValueError(in_list(finding.where, finding.fault))
            elif finding.place:
                said.boxes.append((name, finding))
            else:
                said.bare.append((name, finding))
    said.is_seen |= bool(said.boxes or said.nothing)
    return said


def _refuse_contradiction(said: _Said, boxes: Sequence[tuple[str, Listed]]) -> None:
    """Raise ValueError for nothing beside a box, and for a finding that has no box."""
    if said.nothing and (boxes or said.bare):
        other, what = (boxes[0][1], "a box") if boxes else (said.bare[0][1], "a finding")
        raise ValueError(in_list(said.nothing, f"nothing is there, and {other.where} has {what}"))
    boxed = {name for name, _ in boxes}
    for name, finding in said.bare:
        if name not in boxed:
            raise ValueError(in_list(finding.where, f"{name}, and no box of it"))


def _alike(boxes: Sequence[Box], are_spheres: bool) -> list[str]:
    """Say where a class has boxes of which a detection can give one: several readers drew them."""
    for kind in {box.kind for box in boxes}:
        places = np.array([box.place for box in boxes if box.kind == kind])
        low, high = places[:, :2], places[:, 2:]
        if are_spheres:
            low, high = places[:, :3] - places[:, 3:] / 2, places[:, :3] + places[:, 3:] / 2
        size = (high - low).prod(axis=1)
        for i in range(len(places) - 1):
            ends = np.minimum(high[i], high[i + 1 :]) - np.maximum(low[i], low[i + 1 :])
            both = ends.clip(min=0).prod(axis=1)
            if (both > SAME_BOX * (size[i] + size[i + 1 :] - both)).any():
                return [ALIKE]
    return []


def _in_pixels(finding: Listed, size: tuple[int, int] | None, source: Source) -> Numbers:
    """Bring a place to the pixels of the file: (y0, x0, y1, x1), cut off where the image ends."""
    row = source.rows[0]
    width, height = size or (row.width, row.height)
    if not _is_alike((width, height), (row.width, row.height)):
        seen = f"{OTHER_ASPECT}: {width} x {height}, the file has {row.width} x {row.height}"
        raise ValueError(seen)
    x0, y0, x1, y1 = finding.place
    outside = in_list(finding.where, f"the box lies outside the {width} x {height} pixels")
    if min(x0, y0) < -OVERHANG or x1 > width + OVERHANG or y1 > height + OVERHANG:
        raise ValueError(outside)
    x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
    if x1 <= x0 or y1 <= y0:
        raise ValueError(outside)
    across, down = row.width / width, row.height / height
    return y0 * down, x0 * across, y1 * down, x1 * across


def _is_alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Say whether two sizes are one image's, but for a pixel that rounding costs the smaller."""
    small, large = sorted((one, other))
    if min(small) < 1:
        return False
    (w, h), (wide, high) = small, large
    return abs(h - high * w / wide) <= 1 or abs(w - wide * h / high) <= 1
