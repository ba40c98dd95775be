"""The participant flow as a diagram: found, left out by reason, taken part, and the three parts.

Schulz, Altman, Moher: CONSORT 2010 statement. BMJ 340:c332 (2010).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from medfl_common.metrics.participants import STUDY_PARTS
from medfl_server.reports.flow import SiteFlow
from medfl_server.reports.paper.facts import Facts
from medfl_server.reports.paper.figures.drawing import Drawing
from medfl_server.reports.paper.participants import flow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = (
    "Flow of files and patients over all hospitals that told it, and images by part. Counts below "
    "a hospital's smallest cell are not in it."
)
HEADER = ["site", "step", "reason", "files", "images", "patients"]
MOST_REASONS = 7  # lines of the box of what was left out
WIDTH, MARGIN = 7.2, 0.2  # inches
LINE, PAD, SIZE = 0.19, 0.09, 9.0  # inches; points
CORNERS = "round,pad=0,rounding_size=0.06"
EDGE, GREY = "#1b2733", "#f2f5f7"
NAMES = {"train": "training", "validation": "validation", "test": "test"}


@dataclass(frozen=True)
class Edges:
    """Where a box ends, in inches."""

    left: float
    top: float
    bottom: float


def flow_drawing(facts: Facts) -> Iterator[Drawing]:
    """Draw it where any site told its flow."""
    sites = flow(facts).sites
    if sites:
        rows = [row for site in sites for row in _rows(site)]
        yield Drawing("flow", CAPTION, partial(_diagram, sites), HEADER, rows)


def _rows(site: SiteFlow) -> Iterator[list[str]]:
    yield [site.site, "found", "", str(site.found), "", _text(site.found_patients)]
    for what in ("passed_over", "left_out"):
        for reason, n in getattr(site, what).items():
            patients = site.left_out_patients.get(reason) if what == "left_out" else None
            yield [site.site, what, reason, str(n), "", _text(patients)]
    if site.more_left_out:
        yield [site.site, "left_out", "not told", str(site.more_left_out), "", ""]
    yield [site.site, "taken", "", str(site.files), str(site.images), str(site.patients)]
    for part in STUDY_PARTS:
        images, patients = site.part_images.get(part), site.part_patients.get(part)
        yield [site.site, part, "", "", _text(images), _text(patients)]


def _diagram(sites: Sequence[SiteFlow]) -> "Figure":
    """Draw boxes from top to bottom, what was left out at the side, and the parts side by side."""
    from matplotlib.figure import Figure

    n_found = sum(site.found for site in sites)
    first = [_hospitals(len(sites)), f"{n_found:,} files found, as far as told"]
    out = [line for text in _left_out(sites) for line in _folded(text)]
    parts = [_part(sites, part) for part in STUDY_PARTS]
    gap = max(_height(out) + 0.3, 0.7)
    taken_y = 2 * MARGIN + _height(parts[0]) + 0.45
    height = taken_y + _height(_taken(sites)) + gap + _height(first) + MARGIN
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(0, height))
    axes.set_axis_off()
    top = _box(axes, 1.75, height - MARGIN - _height(first) / 2, first)
    taken = _box(axes, 1.75, taken_y + _height(_taken(sites)) / 2, _taken(sites))
    middle = (top.bottom + taken.top) / 2
    side = _box(axes, 5.0, middle, out, 3.8)
    _arrow(axes, (1.75, top.bottom), (1.75, taken.top))
    _arrow(axes, (1.75, middle), (side.left, middle))
    for place, lines in enumerate(parts):
        x = 1.25 + place * 2.35
        low = _box(axes, x, MARGIN + _height(parts[0]) / 2, lines, 2.1)
        _arrow(axes, (1.75, taken.bottom), (x, low.top))
    return figure


def _hospitals(n: int) -> str:
    return "1 hospital" if n == 1 else f"{n} hospitals"


def _left_out(sites: Sequence[SiteFlow]) -> list[str]:
    """List what was left out, the most frequent reasons first."""
    found: dict[str, int] = {}
    for site in sites:
        for reasons in (site.passed_over, site.left_out):
            for reason, n in reasons.items():
                found[reason] = found.get(reason, 0) + n
    in_order = sorted(found.items(), key=lambda one: -one[1])
    shown = [f"{n:,}  {reason}" for reason, n in in_order[:MOST_REASONS]]
    rest = sum(n for _, n in in_order[MOST_REASONS:])
    rest += sum(site.more_left_out or 0 for site in sites)
    shown += [f"{rest:,}  for other reasons"] if rest else []
    return ["Files left out, as far as told", *(shown or ["none told"])]


def _taken(sites: Sequence[SiteFlow]) -> list[str]:
    n, patients = sum(site.images for site in sites), sum(site.patients for site in sites)
    return ["Taken part", f"{n:,} images", f"{patients:,} patients"]


def _part(sites: Sequence[SiteFlow], part: str) -> list[str]:
    """Count a part over the sites that told it."""
    told = [site for site in sites if part in site.part_images]
    if not told:
        return [NAMES[part].capitalize(), "not told"]
    images = sum(site.part_images[part] for site in told)
    patients = sum(site.part_patients.get(part, 0) for site in told)
    which = f" ({_hospitals(len(told))})" if len(told) < len(sites) else ""
    lines = [f"{NAMES[part].capitalize()}{which}", f"{images:,} images"]
    return [*lines, f"{patients:,} patients"] if patients else lines


def _box(axes: "Axes", x: float, y: float, lines: list[str], width: float = 2.6) -> Edges:
    """Draw a box of lines around its centre, all in inches; give its edges."""
    from matplotlib.patches import FancyBboxPatch

    height = _height(lines)
    left, bottom = x - width / 2, y - height / 2
    shape = FancyBboxPatch((left, bottom), width, height, CORNERS, facecolor=GREY, edgecolor=EDGE)
    axes.add_patch(shape)
    for place, line in enumerate(lines):
        at = y + height / 2 - PAD - (place + 0.5) * LINE
        is_first = place == 0
        axes.text(
            left + 0.12, at, line, ha="left", va="center", fontsize=SIZE,
            fontweight="bold" if is_first else "normal",
        )  # fmt: skip
    return Edges(left, bottom + height, bottom)


def _height(lines: Sequence[str]) -> float:
    return len(lines) * LINE + 2 * PAD


def _arrow(axes: "Axes", begin: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate(
        "", xy=end, xytext=begin, zorder=0,
        arrowprops={"arrowstyle": "-|>", "color": EDGE, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip


def _folded(line: str, width: int = 50) -> list[str]:
    from textwrap import wrap

    return wrap(line, width, subsequent_indent="      ") or [""]


def _text(n: int | None) -> str:
    return "" if n is None else str(n)
