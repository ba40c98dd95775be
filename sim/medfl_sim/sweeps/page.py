"""sweep.html: which setting is best, each factor within the others, every seed, and the curves."""

from collections.abc import Sequence
from pathlib import Path

from medfl_common import __version__
from medfl_common.files import write_atomic
from medfl_common.run.events import DataRead
from medfl_common.run.folder import RunFolder
from medfl_common.run.log import RunLog
from medfl_common.ui.page import Section, Table, as_plot, line_plot, render
from medfl_server.reports.sections.data import data_section
from medfl_sim.runs.directories import CHOICE
from medfl_sim.sweeps.factors import Comparison, Factor, by_data
from medfl_sim.sweeps.latex import as_latex
from medfl_sim.sweeps.pictures import (
    MOST_CURVES,
    draw_dots,
    draw_ranks,
    mean_curves,
    write_pictures,
)
from medfl_sim.sweeps.significance import ALPHA, MIN_PAIRS, MIN_RANKED, Ranking
from medfl_sim.sweeps.table import (
    VALUES,
    Result,
    as_csv,
    by_settings,
    mean_of,
    n_seeds,
    p_text,
    part_of,
    title,
)

HEADER = ["95 % interval", "seeds", "p", "p (Holm)", "AUC is"]


def write_sweep(
    folder: Path,
    found: Sequence[Result],
    study: str,
    said: str,
    compared: Sequence[Factor] = (),
    figures: str | None = None,
) -> Path:
    """Write sweep.csv, sweep.tex and sweep.html into the sweep's folder; return the page.

    Args:
        folder: The sweep's.
        found: Every run.
        study: The study's name.
        said: The answer to the page's question.
        compared: The factors, each compared within the others.
        figures: The format of the pictures in the folder `figures`; none are written without it.
    """
    shown = [v for v in VALUES if any(r.figures.get(v) is not None for r in found)]
    write_atomic(folder / "sweep.csv", as_csv(found).encode())
    write_atomic(folder / "sweep.tex", as_latex(found, shown, compared).encode())
    if figures is not None:
        write_pictures(folder / "figures", figures, found, compared)
    sections = [
        _settings(found, shown),
        *(_factor(factor, part_of(found)) for factor in compared),
        _curves(found),
        _runs(found, shown),
        *map(data_section, _data(found)),
        _how(found),
    ]
    page = render(f"medfl sweep: {study}", "Which setting is best?", said, sections, __version__)
    write_atomic(folder / "sweep.html", page.encode())
    return folder / "sweep.html"


def _settings(found: Sequence[Result], shown: Sequence[str]) -> Section:
    groups, part = by_settings(found), part_of(found)
    header = [*found[0].variant.settings, "seeds", *(title(v, part) for v in shown)]
    rows = [
        [
            *settings,
            str(sum(not r.error for r in group)),
            *(mean_of(group, value).text(value) for value in shown),
        ]
        for settings, group in groups.items()
    ]
    pictures = [as_plot(draw_dots)(groups, part)] if "auc" in shown else []
    table = Table(header, rows, f"mean ± deviation over seeds; scores of the {part} part")
    return Section("The settings", ["A dot is a run, a line their mean."], pictures, [table])


def _factor(factor: Factor, part: str) -> Section:
    """Show one factor's levels against the reference, and their ranks over blocks."""
    others = [name for name, _ in factor.comparisons[0].within]
    header = [*others, factor.name, f"AUC ({part}) minus {factor.reference}'s", *HEADER]
    rows = [_comparison(one) for one in factor.comparisons]
    texts = [
        f"Each row compares with {factor.reference} where all else is the same, seed by seed."
        if others
        else f"Each row compares with {factor.reference}, seed by seed."
    ]
    texts += [few] if (few := _too_few(factor)) else []
    pictures, tables = [], [Table(header, rows, f"AUC of the {part} part")]
    if factor.ranking is not None:
        texts += _ranked(factor, factor.ranking)
        pictures.append(as_plot(draw_ranks)(factor.ranking))
    return Section(f"{factor.name}, within the others", texts, pictures, tables)


def _comparison(one: Comparison) -> list[str]:
    cells = [*(level for _, level in one.within), one.level]
    gap = one.gap
    if gap is None:
        return [*cells, "n/a", "n/a", "0", "n/a", "n/a", one.verdict]
    interval = "n/a"
    if gap.low is not None and gap.high is not None:
        interval = f"{gap.low:+.3f} to {gap.high:+.3f}"
    ps = p_text(gap.p), p_text(one.corrected)
    return [*cells, f"{gap.mean:+.3f}", interval, str(gap.n), *ps, one.verdict]


def _too_few(factor: Factor) -> str:
    """Say where the seeds are too few for a test, or for one that assumes nothing."""
    n = max((one.gap.n for one in factor.comparisons if one.gap), default=0)
    if n < MIN_PAIRS:
        return (
            f"With {n_seeds(n)} no test can reach p = .05; the table tests "
            f"nothing. Take {MIN_RANKED} or more (--seeds)."
        )
    if n < MIN_RANKED:
        return (
            f"With {n} seeds every p rests on differences that are about normal: no test by ranks "
            f"can reach .05, its smallest p is {p_text(2 / 2**n)}."
        )
    return ""


def _ranked(factor: Factor, ranking: Ranking) -> list[str]:
    texts = [
        f"Friedman's test over {ranking.n_blocks} blocks, each {factor.block}: chi-squared "
        f"{ranking.statistic:.2f}, p {p_text(ranking.p)}. In the picture 1 is the best rank; a bar "
        f"joins what Nemenyi's test cannot tell apart (mean ranks closer than "
        f"{ranking.critical_difference:.2f}, .05)."
    ]
    if ranking.best_p >= ALPHA:
        texts.append(
            f"So few blocks cannot reach .05: the smallest p that Friedman's test can give is "
            f"{p_text(ranking.best_p)}."
        )
    if factor.n_left_out:
        texts.append(f"{factor.n_left_out} blocks lack a figure and are left out.")
    return texts


def _curves(found: Sequence[Result]) -> Section:
    lines = mean_curves(found)
    if not lines:
        return Section("Over the rounds", ["No scores are known."])
    texts, n = ["Means of the seeds."], len(by_settings(found))
    texts += [f"The first {MOST_CURVES} of {n} settings."] * (n > MOST_CURVES)
    image = line_plot(lines, "rounds made", f"AUC, all hospitals ({CHOICE})", [*lines])
    return Section("Over the rounds", texts, [image])


def _runs(found: Sequence[Result], shown: Sequence[str]) -> Section:
    header = ["run", *(title(value, part_of(found)) for value in shown), "what went wrong"]
    rows = [
        [
            result.variant.name,
            *("n/a" if (n := result.figures.get(v)) is None else f"{n:.4g}" for v in shown),
            result.error or "",
        ]
        for result in found
    ]
    return Section("Every run", tables=[Table(header, rows)])


def _data(found: Sequence[Result]) -> list[DataRead]:
    """Give what the runs read, once for all that read the same."""
    read: list[DataRead] = []
    for group in by_data(found).values():
        folders = [RunFolder(result.variant.folder) for result in group]
        made = next((folder for folder in folders if folder.facts.exists()), None)
        events = RunLog(made.path).read(DataRead)[:1] if made else []
        known = [one.facts["sources"] for one in read]
        read += [event for event in events if event.facts["sources"] not in known]
    return read


def _how(found: Sequence[Result]) -> Section:
    n, part = len(by_settings(found)), part_of(found)
    return Section(
        "How to read this",
        [
            "A seed decides the initial weights, the split of patients, a random partition and "
            "every order of batches, as far as partition_seed and evaluation.split_seed do not "
            "set them apart. Runs with one seed agree in all of these, so the page compares "
            "settings seed by seed. The deviation is over seeds.",
            "p: Student's t of the differences, paired by seed, two-sided; Holm corrects it for "
            "the number of comparisons in its table. It speaks of other seeds on these data, not "
            "of other data.",
            f"All scores are of the {part} part{_but_one(found)}. A setting that is the best of "
            f"{n} by these very scores looks slightly too good. Confirm it with other seeds, or on "
            "patients that no run has seen.",
        ],
    )


def _but_one(found: Sequence[Result]) -> str:
    has_choice = any(result.figures.get("choice") is not None for result in found)
    return f", but for {VALUES['choice']}, by which a search (--search) chooses" * has_choice
