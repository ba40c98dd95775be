"""`medfl-server console`: pages for a browser, and who may sign in to them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medfl_common.console import options
from medfl_common.console.user_commands import user_commands
from medfl_common.ui.screen import Screen, errors_for_people

if TYPE_CHECKING:
    from medfl_common.console.serve import Certificate

COORDINATOR, VIEWER = "coordinator", "viewer"
ROLES = (COORDINATOR, VIEWER)
PORT = 8420


def console(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="FOLDER...", help="A study's directory, or one with studies below."),
    ],
    port: options.Port = PORT,
    bind: options.Bind = "127.0.0.1",
    host: options.Hosts = None,
    cert: options.Cert = None,
    key: options.Key = None,
    trust_header: options.TrustHeader = "",
    trust_from: options.TrustFrom = None,
    link: options.Link = "",
    role: Annotated[
        str, typer.Option(help=f"The person's role: {' or '.join(ROLES)}.")
    ] = COORDINATOR,
) -> None:
    """Serve pages that follow studies, and steer them by buttons. Ends with Ctrl-C."""
    from medfl_common.console.folder import ConsoleFolder
    from medfl_common.console.opening import Wanted, ask_link, open_console
    from medfl_server.console.room import build

    with errors_for_people():
        screen, kept = Screen(), ConsoleFolder(_first(folders))
        if link:
            screen.say(f"within ten minutes, once: {ask_link(kept, link, role, ROLES)}")
            return
        proxies = trust_from or ("127.0.0.1",)
        wanted = Wanted(bind, port, host or (), cert, key, trust_header, proxies)
        open_console(build(folders), wanted, kept, ROLES, screen, _own(folders[0]))


def add_console(app: typer.Typer) -> None:
    """Add `console` and `user` to the coordinator's commands."""
    app.command()(console)
    app.add_typer(user_commands(ROLES, users_file), name="user")


def users_file(folder: Path) -> Path:
    """Give the users file of a directory; RunError where it holds no study."""
    from medfl_common.console.folder import ConsoleFolder

    return ConsoleFolder(_first([folder])).users


def _first(folders: list[Path]) -> Path:
    """Give the directory where the console keeps its own files; RunError for one without studies.

    A directory that waits for its first study has an authority.
    """
    from medfl_server.study.coordinator import is_coordinator
    from medfl_server.study.run_directory import open_study

    for folder in folders:
        if not is_coordinator(folder):
            open_study(folder)
    return folders[0]


def _own(folder: Path) -> "Certificate | None":
    from medfl_common.console.serve import Certificate
    from medfl_common.run.folder import RunFolder

    made = RunFolder(folder)
    if not made.server_certificate.exists():
        return None
    return Certificate(made.server_certificate, made.server_key)
