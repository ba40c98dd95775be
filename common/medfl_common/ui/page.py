"""The one HTML shell and the plots of every page that medfl writes.

A page is one file: no script, no font and no image from elsewhere. It asks a question, answers it
in a sentence, and then shows images and tables. All text is escaped.
"""

import base64
import html
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

import numpy as np
from numpy.typing import NDArray

from medfl_common.visible import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOOTER = "Research software, not a medical device. Written by medfl {version}."

# Colours that stay apart for colour-blind eyes (Okabe and Ito 2008). Six colours and seven marks
# go round at their own pace, so that 42 names have looks of their own.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("--", "-.", ":")
MARKS = ("o", "s", "^", "v", "D", "P", "X")
# Text stays text, in pages and in files.
LOOK = {"svg.fonttype": "none", "pdf.fonttype": 42, "text.parse_math": False, "font.size": 11}
IN_FILES = {**LOOK, "svg.hashsalt": "medfl"}

P = ParamSpec("P")


@dataclass(frozen=True)
class Table:
    """Rows of text under a header; the row whose first cell is `total` stands apart.

    shades: for each row the depth of each cell's colour, 0 to 1; None: no colour. The cells hold
    the numbers too: no reader needs the colours.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    total: str = ""
    is_text: bool = False  # words, not numbers: set to the left
    shades: Sequence[Sequence[float | None]] = ()


@dataclass(frozen=True)
class Section:
    """A heading, then texts, plots (SVG), small images, tables, and preformatted text."""

    heading: str
    texts: Sequence[str] = ()
    pictures: Sequence[str] = ()
    tables: Sequence[Table] = ()
    code: str = ""
    sheet: str = ""  # what image_grid returned


def _visible(value: object) -> object:
    """Spell out what turns the direction of writing; keep plots and numbers as they are."""
    return visible(value, keep="\n\t") if type(value) is str else value


def render(
    title: str, question: str, answer: str, sections: Sequence[Section], version: str
) -> str:
    """Return the page as HTML; escape every text, and insert only images as they are."""
    from jinja2 import Environment, select_autoescape
    from markupsafe import Markup

    environment = Environment(
        autoescape=select_autoescape(default=True, default_for_string=True), finalize=_visible
    )
    template = environment.from_string(
        (files("medfl_common.ui") / "page.html.j2").read_text(encoding="utf-8")
    )
    shown = [
        {
            **vars(section),
            "pictures": [Markup(svg) for svg in section.pictures],  # noqa: S704
            "sheet": Markup(section.sheet),  # noqa: S704
        }
        for section in sections
    ]
    return template.render(
        title=title,
        question=question,
        answer=answer,
        sections=shown,
        footer=FOOTER.format(version=version),
    )


def as_plot(draw: "Callable[P, Figure]") -> Callable[P, str]:
    """Turn a function that draws a figure into one that returns it as SVG, for a page."""

    @wraps(draw)
    def plot(*args: P.args, **settings: P.kwargs) -> str:
        from matplotlib import rc_context

        with rc_context(LOOK):  # type: ignore[arg-type]
            return as_svg(draw(*args, **settings))

    return plot


def write_figure(
    path: Path, draw: "Callable[P, Figure]", *args: P.args, **settings: P.kwargs
) -> Path:
    """Draw a figure into a file, pdf, png or svg by its name; return the path.

    It holds no date: the same figure is the same bytes.
    """
    from matplotlib import rc_context

    path.parent.mkdir(parents=True, exist_ok=True)
    undated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
    with rc_context(IN_FILES):  # type: ignore[arg-type]
        figure = draw(*args, **settings)
        figure.savefig(path, dpi=300, metadata=undated.get(path.suffix[1:]))
    return path


def line_figure(
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    x_label: str,
    y_label: str,
    names: Sequence[str],
    bold: str = "",
    y_range: tuple[float, float] | None = None,
    marks: bool = True,
    whole_x: bool = True,
    log2_x: bool = False,
) -> "Figure":
    """Draw named lines of (x, y).

    Args:
        lines: name -> (x, y).
        x_label: What x is, with its unit.
        y_label: What y is, with its unit.
        names: Every name of the page, so that one has the same look in all its plots.
        bold: The name that matters most.
        y_range: The lowest and highest y shown.
        marks: Whether each point has its mark.
        whole_x: Whether x is a count, so its axis shows only whole numbers.
        log2_x: Whether each doubling of x is as wide as the next.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 4.0), layout="constrained")
    axes = figure.add_subplot()
    drawn = []
    for name, (x, y) in lines.items():
        look = _look(names.index(name), is_bold=name == bold)
        if not marks:
            look = {**look, "marker": ""}
        drawn += axes.plot(x, y, markersize=4, **look)  # type: ignore[arg-type]
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    if y_range is not None:
        axes.set_ylim(*y_range)
    _scale_x(axes, log2_x, whole_x and marks)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if lines:
        figure.legend(
            drawn, [*lines], loc="outside lower center", ncols=3, frameon=False, fontsize=9
        )
    return figure


def _scale_x(axes: "Axes", is_log2: bool, is_whole: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    if is_log2:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
    elif is_whole:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


line_plot = as_plot(line_figure)


def interval_figure(
    bars: Mapping[str, tuple[float, float, float]], x_label: str, at: float = 0.0
) -> "Figure":
    """Draw named values with their intervals (value, low, high) beside a line `at` x."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 1.2 + 0.28 * len(bars)), layout="constrained")
    axes = figure.add_subplot()
    for place, (value, low, high) in enumerate(bars.values()):
        axes.plot([low, high], [place, place], color=COLOURS[0], linewidth=2)
        axes.plot([value], [place], "o", color=COLOURS[0], markersize=5)
    axes.axvline(at, color="#1b2733", linewidth=1)
    axes.set_yticks(range(len(bars)), [*bars])
    axes.invert_yaxis()
    axes.set_xlabel(x_label)
    axes.grid(alpha=0.3, axis="x")
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


interval_plot = as_plot(interval_figure)


@dataclass(frozen=True)
class Box:
    """A distribution: quantiles from 5 to 95 in 100, and the mean."""

    low: float
    first: float
    middle: float
    third: float
    high: float
    mean: float


def box_figure(boxes: Mapping[str, Box], x_label: str, x_range: tuple[float, float]) -> "Figure":
    """Draw named distributions, one below the other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 1.2 + 0.32 * len(boxes)), layout="constrained")
    axes = figure.add_subplot()
    for place, box in enumerate(boxes.values()):
        axes.plot([box.low, box.high], [place, place], color=COLOURS[0], linewidth=1)
        axes.barh(place, box.third - box.first, 0.5, box.first, color=COLOURS[5], alpha=0.7)
        axes.plot([box.middle] * 2, [place - 0.25, place + 0.25], color="#1b2733", linewidth=2)
        axes.plot([box.mean], [place], "o", color=COLOURS[1], markersize=4)
    axes.set_yticks(range(len(boxes)), [*boxes])
    axes.invert_yaxis()
    axes.set_xlim(*x_range)
    axes.set_xlabel(x_label)
    axes.grid(alpha=0.3, axis="x")
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


box_plot = as_plot(box_figure)


def as_svg(figure: "Figure") -> str:
    """Give a figure as an SVG element without metadata; call it inside the figure's settings."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.DOTALL)
    return text[text.index("<svg") :]


def image_grid(pictures: Sequence[tuple[NDArray[np.uint8], str]], wide: bool = False) -> str:
    """Lay out small images, (H, W) or (H, W, 3) each with its caption, as HTML."""
    look = "tile wide" if wide else "tile"
    from PIL import Image

    figures = []
    for pixels, caption in pictures:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "png")
        data = base64.b64encode(buffer.getvalue()).decode()
        text = html.escape(caption)
        image = f'<img src="data:image/png;base64,{data}" alt="{text}">'
        figures.append(f'<span class="{look}">{image}{text}</span>')
    return f'<div class="sheet">{"".join(figures)}</div>'


def _look(position: int, is_bold: bool) -> dict[str, str | float]:
    mark = MARKS[position % len(MARKS)]
    if is_bold:
        return {"color": "#1b2733", "linestyle": "-", "linewidth": 2.8, "marker": mark}
    colour, dash = COLOURS[position % len(COLOURS)], DASHES[position % len(DASHES)]
    return {"color": colour, "linestyle": dash, "linewidth": 1.4, "marker": mark}
