"""The participant flow as a diagram: found, left out by reason, taken part, and the three parts.

Schulz, Altman, Moher: CONSORT 2010 statement. BMJ 340:c332 (2010).
"""

from collections.abc import Iterator, Sequence
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
EDGE, GREY = "#1b2733", "#f2f5f7"
NAMES = {"train": "training", "validation": "validation", "test": "test"}


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

    out = _left_out(sites)
    height = 4.6 + 0.18 * len(out)
    figure = Figure(figsize=(7.0, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(0, 12)
    axes.set_ylim(0, height)
    n_found = sum(site.found for site in sites)
    low = 2.0
    middle = low + (height - low) / 2 - 0.1
    _box(axes, 3.2, height - 0.5, [f"{len(sites)} hospitals", f"{n_found:,} files found"])
    _box(axes, 3.2, low + 0.3, _taken(sites))
    _box(axes, 8.9, middle, out, is_list=True)
    _arrow(axes, (3.2, height - 0.95), (3.2, low + 0.85))
    _arrow(axes, (3.2, middle), (6.0, middle))
    for place, part in enumerate(STUDY_PARTS):
        x = 2.0 + 4.0 * place
        _box(axes, x, 0.55, _part(sites, part))
        _arrow(axes, (3.2, low - 0.2), (x, 1.05))
    return figure


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
    which = f" ({len(told)} hospitals)" if len(told) < len(sites) else ""
    lines = [f"{NAMES[part].capitalize()}{which}", f"{images:,} images"]
    return [*lines, f"{patients:,} patients"] if patients else lines


def _box(axes: "Axes", x: float, y: float, lines: list[str], is_list: bool = False) -> None:
    axes.text(
        x, y, "\n".join(_folded(line) for line in lines), ha="center", va="center", fontsize=9,
        multialignment="left" if is_list else "center",
        bbox={"boxstyle": "round,pad=0.5", "facecolor": GREY, "edgecolor": EDGE},
    )  # fmt: skip


def _arrow(axes: "Axes", begin: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate(
        "", xy=end, xytext=begin, zorder=0,
        arrowprops={"arrowstyle": "-|>", "color": EDGE, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip


def _folded(line: str, width: int = 48) -> str:
    from textwrap import fill

    return fill(line, width, subsequent_indent="      ")


def _text(n: int | None) -> str:
    return "" if n is None else str(n)
