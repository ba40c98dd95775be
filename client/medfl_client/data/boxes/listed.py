"""What a list says of images: findings with a place, or that nothing is there."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from medfl_common.errors import DataError, system_reason

MAX_BOXES = 1000  # of one image, or frame
MAX_BYTES = 2**28  # of a list
FARTHEST = 1e7  # pixels or mm
MAX_LETTERS = 200  # of a name
DECIMAL_COMMA = "has a decimal comma: save the list with points"
_COMMA = re.compile(r"[-+]?\d+,\d+")

Numbers = tuple[float, ...]
# What four numbers of a box are; see BoxFiles.box
Written = Literal["corners", "pixels", "pixels_from_1", "size"]


@dataclass(frozen=True, slots=True)
class Listed:
    """One name, as a list has it: of a finding with a place, or of the image."""

    where: str  # in the list, such as: line 7
    name: str  # empty: of the plan's only class
    # x and y of the upper left corner, then of the lower right one, in pixels from the image's
    # upper left corner; or x, y and z in the patient and the diameter, mm; empty: it has none
    place: Numbers
    fault: str = ""  # why the place cannot be used; what is ignored may have any

    @property
    def is_box(self) -> bool:
        """Say whether the list gives a place, if only a wrong one."""
        return bool(self.place or self.fault)


@dataclass(frozen=True, slots=True)
class Box:
    """One finding of an image of the plan."""

    kind: int  # the class's place in the plan
    # (y0, x0, y1, x1) in the image's own pixels, or (x, y, z, diameter) in mm
    place: Numbers


@dataclass
class Entry:
    """What a list says of one image, or of one frame of it."""

    where: str  # in the list, its first mention
    findings: list[Listed] = field(default_factory=list)
    size: tuple[int, int] | None = None  # pixels across and down that the places count in
    nothing: str = ""  # where the list says that nothing is there
    fault: str = ""  # why nobody can use it
    frames: dict[int, "Entry"] = field(default_factory=dict)  # of a multi-frame file, from 1

    @property
    def everything(self) -> Iterator[Listed]:
        """Give what is said of the image, and of its frames."""
        yield from self.findings
        for frame in self.frames.values():
            yield from frame.findings

    def frame(self, number: int, where: str) -> "Entry":
        """Give the entry of one frame, from 1; of 0 the image's."""
        if not number:
            return self
        return self.frames.setdefault(number, Entry(where, size=self.size))

    def add(self, finding: Listed) -> None:
        """Take one finding more, if there are not too many."""
        if len(self.findings) >= MAX_BOXES:
            self.blame(finding.where, f"more than {MAX_BOXES} boxes of one image or frame")
        else:
            self.findings.append(finding)

    def blame(self, where: str, why: str) -> None:
        """Keep the first fault."""
        self.fault = self.fault or in_list(where, why)


def in_list(where: str, why: str) -> str:
    """Say what is wrong at a place of the list."""
    return f"list of boxes, {where}: {why}"


def number(value: object, what: str) -> float:
    """Take a number from text or JSON; raises ValueError in words that do not repeat it."""
    found = math.nan
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            found = float(value)
        except (ValueError, OverflowError):
            found = math.nan
    if isinstance(value, str) and _COMMA.fullmatch(value):
        raise ValueError(f"{what} {DECIMAL_COMMA}")
    if not math.isfinite(found):
        raise ValueError(f"{what} is no number")
    if abs(found) > FARTHEST:
        raise ValueError(f"{what} is farther than {FARTHEST:g}")
    return found


def corners(numbers: Sequence[float], written: Written) -> Numbers:
    """Turn four numbers of a box into (x0, y0, x1, y1); raises ValueError for one without area.

    A box whose first pixel is its last is none either: nobody outlines a pixel, but many a click
    became such a box.
    """
    first_x, first_y, last_x, last_y = numbers
    if written == "size":
        last_x, last_y = first_x + last_x, first_y + last_y
    if not (last_x > first_x and last_y > first_y):
        raise ValueError("the box has no area")
    before = 1 if written == "pixels_from_1" else 0
    after = 1 if written == "pixels" else 0
    return first_x - before, first_y - before, last_x + after, last_y + after


def read_list(path: Path) -> bytes:
    """Read a list within bounds; raises DataError."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DataError(
                f"the list of boxes {path.name} has {size / 2**20:,.0f} MB, above "
                f"{MAX_BYTES // 2**20}",
                todo="list the boxes of this site's images only",
            )
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"the list of boxes {path.resolve()} cannot be read ({system_reason(error)})",
            todo="set data.boxes.file in site.yaml, or let this user read it",
        ) from None
