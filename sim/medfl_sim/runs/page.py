"""Several runs side by side, on a page."""

from collections.abc import Sequence
from pathlib import Path

from medfl_common import __version__
from medfl_common.errors import ConfigError
from medfl_common.files import write_atomic
from medfl_common.ui.page import Section, Table, line_figure, line_plot, render, write_figure
from medfl_server.reports.sections.shared import main_score
from medfl_sim.runs.directories import (
    CHOICE,
    Facts,
    compare_header,
    compare_rows,
    curve,
    score_words,
    settings_that_differ,
)

FORMATS = ("pdf", "png", "svg")  # of pictures as files


def write_runs(path: Path, runs: Sequence[Facts]) -> None:
    """Write the page."""
    names = [str(facts.study.folder) for facts in runs]
    lines = _lines(runs)
    image = [line_plot(lines, *_axes(runs), names)] if lines else []
    differing = settings_that_differ(runs)
    same = [] if differing else ["The runs have the same settings."]
    table = [Table(["setting", *names], differing, is_text=True)] if differing else []
    sections = [
        Section(
            "The runs", pictures=image, tables=[Table(compare_header(runs), compare_rows(runs))]
        ),
        Section("In which settings they differ", same, tables=table),
    ]
    page = render(
        "medfl: runs side by side",
        "How do these runs compare?",
        answer(runs),
        sections,
        __version__,
    )
    write_atomic(path, page.encode())


def check_format(name: str | None) -> None:
    """Refuse a format that no picture is written in, before the work."""
    if name is not None and name not in FORMATS:
        raise ConfigError(f"--figures {name} is no format", todo=f"write {', '.join(FORMATS)}")


def write_curves(path: Path, runs: Sequence[Facts]) -> Path | None:
    """Write the curves as a picture, in the format of the path; None if no score is known."""
    lines = _lines(runs)
    names = [str(facts.study.folder) for facts in runs]
    return write_figure(path, line_figure, lines, *_axes(runs), names) if lines else None


def _axes(runs: Sequence[Facts]) -> tuple[str, str]:
    return "rounds made", f"{score_words(runs)[0]}, all hospitals ({CHOICE})"


def _lines(runs: Sequence[Facts]) -> dict[str, tuple[list[float], list[float]]]:
    found = {str(facts.study.folder): curve(facts.study) for facts in runs}
    return {name: points for name, points in found.items() if points[0]}


def answer(runs: Sequence[Facts]) -> str:
    """Name the run with the highest AUC, Dice or FROC, and the reasons for doubt."""
    scores = {main_score(facts.study.plan) for facts in runs}
    if len(scores) > 1:
        words = " and ".join(sorted(word for _, word in scores))
        return f"These runs have different scores ({words}), so no one is the best."
    score, word = scores.pop() if scores else ("auc", "AUC")
    known = {
        str(facts.study.folder): (value, facts.scored.text(score))
        for facts in runs
        if facts.scored and (value := facts.scored.values[score]) is not None
    }
    if not known:
        one = f"{'an' if score == 'auc' else 'a'} {word}"
        return f"None of these runs has {one} over all hospitals."
    highest = max(known.values())[1]
    best = [name for name, (_, text) in known.items() if text == highest]
    verb = "has" if len(best) == 1 else "have"
    said = [f"{' and '.join(best)} {verb} the highest {word} over all hospitals, {highest}"]
    others = [f"{name} {text}" for name, (_, text) in known.items() if name not in best]
    said += [f"the others: {', '.join(others)}"] * bool(others)
    said += ["one seed each cannot show whether that is chance (medfl-sim sweep can)"]
    differing = {row[0] for row in settings_that_differ(runs)}
    if "seed" in differing or any(name.startswith("scenario.") for name in differing):
        said.append("they have different validation patients")
    if unfinished := [f.study.folder.name for f in runs if f.state != "finished"]:
        said.append(f"not finished: {', '.join(unfinished)}")
    return "; ".join(said) + "."
