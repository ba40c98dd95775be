"""One figure of a paper, and its files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medfl_common.files import write_atomic
from medfl_common.run.paper_folder import PaperFolder
from medfl_common.ui.page import write_figure
from medfl_common.ui.spreadsheet import csv_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = ("pdf", "svg")
Lines = dict[str, tuple[list[float], list[float]]]


@dataclass(frozen=True)
class Drawing:
    """A figure, the sentence below it, and its numbers.

    name: That of its files, without their ending.
    """

    name: str
    caption: str
    draw: "Callable[[], Figure]"
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def rows_of(lines: Lines) -> list[list[str]]:
    """Lay named lines out as numbers: name, x, y."""
    return [
        [name, f"{a:.6g}", f"{b:.6g}"]
        for name, (x, y) in lines.items()
        for a, b in zip(x, y, strict=True)
    ]


def write_drawing(drawing: Drawing, folder: PaperFolder) -> None:
    """Write a figure's files."""
    for ending in ENDINGS:
        write_figure(folder.figure(drawing.name, ending), drawing.draw)
    text = csv_text([drawing.header, *drawing.rows])
    write_atomic(folder.figure(drawing.name, "csv"), text.encode())
