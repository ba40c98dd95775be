"""medfl-sim ls, show, compare, score and size: read run directories and their models, or plan."""

from pathlib import Path
from typing import Annotated

import typer

from medfl_common.registry import file_names
from medfl_common.ui.screen import Screen, errors_for_people

Figures = Annotated[
    str | None, typer.Option(help="Also write the pictures as files: pdf | png | svg.")
]
Import = Annotated[
    list[Path] | None,
    typer.Option("--import", help="A script with own parts or data (medfl_sim.use); repeatable."),
]
PAGES = (
    "report", "partition", "compare", "cross-site", "leave-one-out", "folds", "harmony",
    "model-card",
)  # fmt: skip


def ls(
    folder: Annotated[
        Path, typer.Argument(help="The folder to search, with its sub-folders.")
    ] = Path("runs"),
    own: Import = None,
) -> None:
    """List the runs in a folder, the newest last."""
    from medfl_sim.own.scripts import import_scripts
    from medfl_sim.runs.directories import LS_HEADER, list_rows

    with errors_for_people():
        import_scripts(own or [])
        rows = list_rows(folder)
        if rows:
            Screen().table(LS_HEADER, rows)
        else:
            Screen().say(f"there is no run in {folder.resolve()} or below it")


def show(run: Annotated[Path, typer.Argument(help="A run directory.")], own: Import = None) -> None:
    """Show one run: its plan, its state and its scores."""
    from medfl_server.reports.sections.result import final_table
    from medfl_sim.own.scripts import import_scripts
    from medfl_sim.runs.compare import read_comparison
    from medfl_sim.runs.compare_page import answer
    from medfl_sim.runs.directories import facts_of, scenario_of

    with errors_for_people():
        import_scripts(own or [])
        screen, facts = Screen(), facts_of(run)
        plan = facts.study.plan
        screen.say(f"{run}: {plan.study}, plan {plan.hash()[:8]}, {facts.state}")
        screen.say(
            f"{plan.task.type} ({', '.join(plan.task.classes)}), {plan.model.called}, "
            f"{plan.federation.strategy}, seed {plan.seed}; {facts.n_hospitals} hospitals, "
            f"{facts.n_rounds} of {plan.federation.rounds} rounds"
        )
        for part, value in scenario_of(facts).items():
            if value:
                screen.say(f"{part}: {value}")
        screen.table(*final_table(facts.study))
        if rows := read_comparison(run):
            screen.say(answer(rows[:-1], rows[-1]))
        for name in PAGES:
            if (path := run / f"{name}.html").exists():
                screen.say(f"page: {path}")


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Two run directories or more.")],
    out: Annotated[Path, typer.Option(help="The page.")] = Path("comparison.html"),
    figures: Figures = None,
    own: Import = None,
) -> None:
    """Compare runs: scores, cost, and the settings in which they differ."""
    from medfl_common.errors import ConfigError
    from medfl_sim.own.scripts import import_scripts
    from medfl_sim.runs.directories import (
        compare_header,
        compare_rows,
        facts_of,
        settings_that_differ,
    )
    from medfl_sim.runs.page import answer, check_format, write_curves, write_runs

    with errors_for_people():
        if len(runs) < 2:
            raise ConfigError(
                "compare needs two run directories or more", todo="medfl-sim ls lists them"
            )
        check_format(figures)
        import_scripts(own or [])
        screen, facts = Screen(), [facts_of(run) for run in runs]
        screen.table(compare_header(facts), compare_rows(facts))
        if differing := settings_that_differ(facts):
            screen.table(["setting", *map(str, runs)], differing)
        screen.say(answer(facts))
        write_runs(out, facts)
        screen.say(f"page: {out}")
        if figures and (path := write_curves(out.with_name(f"{out.stem}-curves.{figures}"), facts)):
            screen.say(f"picture: {path}")


def score(
    model: Annotated[
        Path, typer.Argument(help="The folder of a model: a finished run, an export, a fold, ...")
    ],
    data: Annotated[Path, typer.Option(help="A folder with a site.yaml, or a folder of such.")],
    site_file: Annotated[
        Path | None, typer.Option(help="Describes --data in place of its site.yaml.")
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            "--format",
            help=f"What the images are: {' | '.join(file_names('medfl_sim.data.sources'))}.",
        ),
    ] = "dicom",
    out: Annotated[
        Path, typer.Option(help="The folder for score.html, score.json and predictions.csv.")
    ] = Path("score"),
    cache: Annotated[
        Path | None,
        typer.Option(help="The folder for decoded images; default: medfl-cache in --out."),
    ] = None,
    own: Import = None,
) -> None:
    """Score a trained model on any data set: intervals, calibration, thresholds, predictions."""
    from medfl_server.reports.sections.data import in_words
    from medfl_sim.own.scripts import import_scripts
    from medfl_sim.runs.score import score_data
    from medfl_sim.runs.score_page import answer, score_rows, threshold_lines, write_score

    with errors_for_people():
        import_scripts(own or [])
        screen = Screen()
        scored = score_data(model, data, out, site_file, source, cache, screen.watch)
        for line in in_words(scored.read):
            screen.say(line)
        screen.table(["score", "value", "95 % interval"], score_rows(scored))
        for line in threshold_lines(scored):
            screen.say(line)
        screen.say(answer(scored))
        screen.say(f"page: {write_score(out, scored)}, predictions beside it; not for diagnosis")


def size(
    auc: Annotated[float, typer.Option(help="The AUC to expect, between 0.5 and 1.")],
    prevalence: Annotated[
        float, typer.Option(help="The part of the patients with the finding, between 0 and 1.")
    ],
    patients: Annotated[
        list[int] | None,
        typer.Option(help="Patients scored at a hospital; repeatable. Default: 50 to 800."),
    ] = None,
    images: Annotated[int, typer.Option(help="Images of a patient.", min=1)] = 1,
    icc: Annotated[
        float,
        typer.Option(help="Correlation of the scores of a patient's images, 0 to 1; 1: all alike."),
    ] = 1.0,
    sites: Annotated[int, typer.Option(help="The number of hospitals, all alike.", min=1)] = 1,
    test: Annotated[
        float, typer.Option(help="The part of a hospital's patients that are scored.")
    ] = 0.15,
    width: Annotated[
        float | None, typer.Option(help="Also find the patients for so wide an interval over all.")
    ] = None,
) -> None:
    """Say how wide the AUC's 95 % interval will be, before a study: patients, images, hospitals."""
    from medfl_common.metrics.sample_size import Expected
    from medfl_sim.runs.size import Question, check_question, header, in_words, size_rows

    with errors_for_people():
        expected = Expected(auc, prevalence, images, icc)
        ask = Question(expected, patients or (50, 100, 200, 400, 800), sites, test, width)
        check_question(ask)
        screen = Screen()
        screen.table(header(ask), size_rows(ask))
        for line in in_words(ask):
            screen.say(line)
