"""`medfl-server init`: a study, alone or below a directory for several; or such a directory."""

from pathlib import Path
from typing import Annotated

import typer

from medfl_common.ui.screen import Screen, errors_for_people


def init(
    folder: Annotated[Path, typer.Argument(help="The study's directory.")],
    plan: Annotated[
        Path | None,
        typer.Option(
            help="The study plan, a YAML file (see configs/). Without it a directory for several "
            "studies is made."
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="The name or address by which hospitals reach you; a study below a directory for "
            "several needs none."
        ),
    ] = "",
    like: Annotated[
        Path | None,
        typer.Option(help="For several studies: take the authority of this one, which runs alone."),
    ] = None,
) -> None:
    """Make a study: its directory, certificates, keys and empty roster."""
    from medfl_server.commands.init_study import make

    with errors_for_people():
        make(folder, plan, host, like, Screen())
