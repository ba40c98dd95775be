"""`medfl-server paper`: what a paper on a study needs, for who writes it."""

from pathlib import Path
from typing import Annotated

import typer

from medfl_common.ui.screen import Screen, errors_for_people
from medfl_server.study.run_directory import open_study


def paper(
    folder: Annotated[Path, typer.Argument(help="The study's directory.")],
    out: Annotated[
        Path | None, typer.Option(help="The folder; default: `paper` in the study's directory.")
    ] = None,
    names: Annotated[
        bool, typer.Option("--names", help="Call hospitals by their names, not by letters.")
    ] = False,
) -> None:
    """Write a folder for a paper: protocol, flow, results, figures, CLAIM and other checklists."""
    with errors_for_people():
        from medfl_server.reports.paper.paper import write_paper

        screen, written = Screen(), write_paper(open_study(folder), out, names)
        screen.say(f"paper: {written.readme}")
        for filled in written.checklists:
            screen.say(f"{filled.checklist.title}: {filled.in_words}")
