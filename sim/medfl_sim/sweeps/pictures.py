"""The pictures of a sweep: every run as a dot, curves, and mean ranks with what is not apart."""

import re
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medfl_common.ui.page import COLOURS, line_figure, write_figure
from medfl_server.study.run_directory import open_study
from medfl_sim.runs.directories import CHOICE, curve
from medfl_sim.sweeps.factors import Factor
from medfl_sim.sweeps.significance import Ranking
from medfl_sim.sweeps.table import Result, by_settings, label, part_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CURVES = 12  # combinations whose curves one plot shows
DARK = "#1b2733"
LETTER_INCHES = 0.085  # of a name at 10 points

Lines = Mapping[str, tuple[list[float], list[float]]]


def write_pictures(
    folder: Path, kind: str, found: Sequence[Result], compared: Sequence[Factor]
) -> list[Path]:
    """Write a sweep's pictures as files, pdf, png or svg; return their paths."""
    part = part_of(found)
    written = [write_figure(folder / f"auc.{kind}", draw_dots, by_settings(found), part)]
    if lines := mean_curves(found):
        axes = "rounds made", f"AUC, all hospitals ({CHOICE})"
        written.append(write_figure(folder / f"curves.{kind}", line_figure, lines, *axes, [*lines]))
    for factor in compared:
        if factor.ranking is not None:
            name = re.sub(r"[^A-Za-z0-9.-]+", "-", factor.name)
            path = folder / f"critical-difference-{name}.{kind}"
            written.append(write_figure(path, draw_ranks, factor.ranking))
    return written


def mean_curves(found: Sequence[Result]) -> Lines:
    """Give each combination's AUC over rounds, the mean of its seeds; the first MOST_CURVES."""
    lines = {}
    for settings, group in [*by_settings(found).items()][:MOST_CURVES]:
        at: dict[float, list[float]] = defaultdict(list)
        for result in group:
            if not result.error and result.variant.folder.exists():
                for round_, value in zip(*curve(open_study(result.variant.folder)), strict=True):
                    at[round_].append(value)
        if at:
            rounds = sorted(at)
            lines[label(settings)] = rounds, [statistics.fmean(at[r]) for r in rounds]
    return lines


def draw_dots(groups: Mapping[tuple[str, ...], Sequence[Result]], part: str) -> "Figure":
    """Draw each run's AUC, one row per combination."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 1.2 + 0.3 * len(groups)), layout="constrained")
    axes = figure.add_subplot()
    for place, group in enumerate(groups.values()):
        known = [v for r in group if (v := r.figures.get("auc")) is not None]
        axes.plot(known, [place] * len(known), "o", color=COLOURS[0], markersize=5, alpha=0.7)
        if known:
            middle = statistics.fmean(known)
            axes.plot([middle, middle], [place - 0.3, place + 0.3], color=DARK)
    axes.set_yticks(range(len(groups)), [label(settings) for settings in groups])
    axes.invert_yaxis()
    axes.set_xlabel(f"AUC over all hospitals ({part})")
    axes.grid(alpha=0.3, axis="x")
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


def draw_ranks(ranking: Ranking) -> "Figure":
    """Draw mean ranks on a line, the best at the left; a bar joins what Nemenyi cannot tell apart.

    Demsar: Statistical comparisons of classifiers over multiple data sets. JMLR 2006, figure 1.
    """
    from matplotlib.figure import Figure

    ordered = sorted(zip(ranking.mean_ranks, ranking.treatments, strict=True))
    k, runs = len(ordered), ranking.together()
    half, bottom = (k + 1) // 2, 1.0 + 0.35 * len(runs)
    height = bottom + 0.5 * half
    beside = 0.4 + LETTER_INCHES * (len(max(ranking.treatments, key=len)) + 7)
    figure = Figure(figsize=(3.0 + 2 * beside, 0.9 + 0.5 * height))
    axes = figure.add_axes((0, 0, 1, 1))
    margin = beside / 3.0 * (k - 1)  # the ranks have three inches
    axes.set_xlim(1 - margin, k + margin)
    axes.set_ylim(height, -1.6)
    axes.axis("off")
    axes.plot([1, k], [0, 0], color=DARK, linewidth=1.2)
    for number in range(1, k + 1):
        axes.plot([number, number], [0, -0.15], color=DARK, linewidth=1.2)
        axes.text(number, -0.25, str(number), ha="center", va="bottom", fontsize=9)
    apart = min(ranking.critical_difference, k - 1.0)
    axes.plot([1, 1 + apart], [-1.1, -1.1], color=COLOURS[1], linewidth=2)
    axes.text(1 + apart, -1.1, f"  CD = {ranking.critical_difference:.2f}", va="center", fontsize=9)
    for place, (mean_rank, name) in enumerate(ordered):
        is_left = place < half
        y = bottom + 0.5 * (place if is_left else k - 1 - place)
        edge = 1 - 0.1 * (k - 1) if is_left else k + 0.1 * (k - 1)
        axes.plot([mean_rank, mean_rank, edge], [0, y, y], color=DARK, linewidth=0.9)
        text = f"{name} ({mean_rank:.2f}) " if is_left else f" {name} ({mean_rank:.2f})"
        axes.text(edge, y, text, ha="right" if is_left else "left", va="center", fontsize=10)
    for level, (first, last) in enumerate(runs):
        y, ends = 0.5 + 0.35 * level, (ordered[first][0], ordered[last][0])
        axes.plot([ends[0] - 0.03, ends[1] + 0.03], [y, y], color=COLOURS[0], linewidth=4)
    return figure
