"""`medfl-server dossier`: what a study tells of persons, for who must answer for it."""

from pathlib import Path
from typing import Annotated

import typer

from medfl_common.ui.screen import Screen, errors_for_people
from medfl_server.study.run_directory import open_study


def dossier(folder: Annotated[Path, typer.Argument(help="The study's directory.")]) -> None:
    """Write dossier.html and dossier.md: what the study tells of persons, and a DPIA skeleton."""
    with errors_for_people():
        from medfl_server.reports.dossier.dossier import write_dossier

        Screen().say(f"dossier: {write_dossier(open_study(folder))}")
