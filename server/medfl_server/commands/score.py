"""`medfl-server score`: a finished study's model at hospitals that were away, or came later."""

from pathlib import Path
from typing import Annotated

import typer

from medfl_common.ui.screen import Screen, errors_for_people
from medfl_server.commands.serving import serving
from medfl_server.study.run_directory import open_study


def score(
    folder: Annotated[Path, typer.Argument(help="The study's directory.")],
    model: Annotated[
        str, typer.Option(help="A round's number or a .safetensors; default: the final model.")
    ] = "",
    sites: Annotated[str, typer.Option(help="Names, with commas; default: all.")] = "",
    port: Annotated[int, typer.Option(help="Port for the hospitals.", min=1, max=65535)] = 8443,
    bind: Annotated[str, typer.Option(help="Address to listen on.")] = "0.0.0.0",  # noqa: S104
) -> None:
    """Have a finished study's model scored, also at hospitals that were away or came later."""
    with errors_for_people():
        from medfl_server.commands.run import report_study
        from medfl_server.commands.score_study import score_study

        study, screen = open_study(folder), Screen()
        chosen = [name.strip() for name in sites.split(",") if name.strip()]
        with serving(folder):
            score_study(study, model, chosen, bind, port, screen)
            report_study(study, screen)
