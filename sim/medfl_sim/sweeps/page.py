"""sweep.html: which setting is best, with every seed and the learning curves."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from medfl_common import __version__
from medfl_common.files import write_atomic
from medfl_common.ui.page import COLOURS, Section, Table, as_svg, line_plot, render
from medfl_server.study.run_directory import open_study
from medfl_sim.runs.directories import curve
from medfl_sim.sweeps.table import (
    VALUES,
    Result,
    as_csv,
    as_latex,
    by_settings,
    difference,
    mean_of,
)

MOST_CURVES = 12  # combinations whose curves one plot shows


def write_sweep(folder: Path, found: Sequence[Result], study: str) -> Path:
    """Write sweep.csv, sweep.tex and sweep.html into the sweep's folder; return the page."""
    shown = [v for v in VALUES if any(r.figures.get(v) is not None for r in found)]
    write_atomic(folder / "sweep.csv", as_csv(found).encode())
    write_atomic(folder / "sweep.tex", as_latex(found, shown).encode())
    sections = [_settings(found, shown), _curves(found), _runs(found, shown), _how(found)]
    page = render(
        f"medfl sweep: {study}", "Which setting is best?", answer(found), sections, __version__
    )
    write_atomic(folder / "sweep.html", page.encode())
    return folder / "sweep.html"


def answer(found: Sequence[Result]) -> str:
    """Name the setting with the highest mean AUC, and say whether the first is clearly behind."""
    groups = by_settings(found)
    means = {k: m for k, group in groups.items() if (m := mean_of(group, "auc")).mean is not None}
    n_failed = sum(bool(result.error) for result in found)
    ending = f" {n_failed} of {len(found)} runs failed." if n_failed else ""
    if not means:
        return f"No run has an AUC over all hospitals.{ending}"
    best = max(means, key=lambda settings: means[settings].mean or 0.0)
    value, n = means[best].text("auc"), means[best].n
    seeds = "1 seed" if n == 1 else f"{n} seeds"
    said = f"{_label(best)} has the highest AUC, {value} over {seeds}"
    first = next(iter(groups))
    if best == first:
        return f"{said}; it is the first setting, the reference of the others.{ending}"
    gap = difference(groups[best], groups[first])
    if gap is None:
        other = means[first].text("auc") if first in means else "none"
        return (
            f"{said}; {_label(first)} has {other}. Fewer than three seeds cannot say whether that "
            f"is chance.{ending}"
        )
    verdict = "clearly above" if gap[1] > 0 else "not clearly above"
    return (
        f"{said}; it is {verdict} {_label(first)}: {gap[0]:+.3f} (95 % interval {gap[1]:+.3f} to "
        f"{gap[2]:+.3f}).{ending}"
    )


def _label(settings: Sequence[str]) -> str:
    return ", ".join(settings) or "the plan as it is"


def _settings(found: Sequence[Result], shown: Sequence[str]) -> Section:
    groups = by_settings(found)
    reference = next(iter(groups.values()))
    header = [*found[0].variant.settings, "seeds", *(VALUES[v] for v in shown)]
    header.append("AUC minus the first's, 95 % interval")
    rows = []
    for settings, group in groups.items():
        gap = None if group is reference else difference(group, reference)
        last = "n/a" if gap is None else f"{gap[0]:+.3f} ({gap[1]:+.3f} to {gap[2]:+.3f})"
        numbers = [mean_of(group, value).text(value) for value in shown]
        rows.append([*settings, str(sum(not r.error for r in group)), *numbers, last])
    texts = ["A dot is a run, a line their mean."]
    pictures = [_dots(groups)] if "auc" in shown else []
    return Section("The settings", texts, pictures, [Table(header, rows, "mean ± deviation")])


def _dots(groups: dict[tuple[str, ...], list[Result]]) -> str:
    """Draw each run's AUC, one row per combination."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.fonttype": "none", "text.parse_math": False, "font.size": 10}):
        figure = Figure(figsize=(6.4, 1.2 + 0.3 * len(groups)), layout="constrained")
        axes = figure.add_subplot()
        for place, group in enumerate(groups.values()):
            known = [v for r in group if (v := r.figures.get("auc")) is not None]
            axes.plot(known, [place] * len(known), "o", color=COLOURS[0], markersize=5, alpha=0.7)
            if known:
                middle = statistics.fmean(known)
                axes.plot([middle, middle], [place - 0.3, place + 0.3], color="#1b2733")
        axes.set_yticks(range(len(groups)), [_label(settings) for settings in groups])
        axes.invert_yaxis()
        axes.set_xlabel("AUC over all hospitals")
        axes.grid(alpha=0.3, axis="x")
        axes.spines[["top", "right", "left"]].set_visible(False)
        return as_svg(figure)


def _curves(found: Sequence[Result]) -> Section:
    """Draw the AUC over rounds, the mean of the seeds."""
    lines = {}
    groups = [*by_settings(found).items()]
    for settings, group in groups[:MOST_CURVES]:
        at: dict[float, list[float]] = defaultdict(list)
        for result in group:
            if not result.error:
                for round_, value in zip(*curve(open_study(result.variant.folder)), strict=True):
                    at[round_].append(value)
        if at:
            rounds = sorted(at)
            lines[_label(settings)] = rounds, [statistics.fmean(at[r]) for r in rounds]
    if not lines:
        return Section("Over the rounds", ["No scores are known."])
    texts = ["Means of the seeds."]
    if len(groups) > MOST_CURVES:
        texts.append(f"The first {MOST_CURVES} of {len(groups)} settings.")
    image = line_plot(lines, "rounds made", "AUC, all hospitals", [*lines])
    return Section("Over the rounds", texts, [image])


def _runs(found: Sequence[Result], shown: Sequence[str]) -> Section:
    header = ["run", *(VALUES[value] for value in shown), "what went wrong"]
    rows = [
        [
            result.variant.name,
            *("n/a" if (n := result.figures.get(v)) is None else f"{n:.4g}" for v in shown),
            result.error or "",
        ]
        for result in found
    ]
    return Section("Every run", tables=[Table(header, rows)])


def _how(found: Sequence[Result]) -> Section:
    return Section(
        "How to read this",
        [
            "A seed decides the initial weights, the split of patients, a random partition and "
            "every order of batches. Runs with one seed agree in all of these, so the page "
            "compares settings seed by seed (paired, Student's t). The deviation is over seeds.",
            f"All figures come from the validation images that also choose the setting: the best "
            f"of {len(by_settings(found))} looks slightly too good. Confirm the winner with other "
            "seeds, or on patients that no run has seen.",
        ],
    )
