"""`medfl-server console`: pages for a browser on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from medfl_common.ui.screen import Screen, errors_for_people

PORT = 8444


def console(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="FOLDER...", help="A study's directory, or one with studies below."),
    ],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.", min=0, max=65535)] = PORT,
) -> None:
    """Serve pages that follow studies, for a browser on this machine. Ends with Ctrl-C."""
    from medfl_common.console.doors import Doors
    from medfl_common.console.serve import serve
    from medfl_server.console.room import build

    with errors_for_people():
        screen, doors = Screen(), Doors()
        made = build(folders, doors, lambda visitor, what, facts: None)

        def ready(open_port: int) -> None:
            for role in ("coordinator", "viewer"):
                code = doors.link(role, role)
                screen.say(f"{role}: http://127.0.0.1:{open_port}/enter?code={code}")

        serve(made.app(["127.0.0.1", "localhost"]), "127.0.0.1", port, ready)
