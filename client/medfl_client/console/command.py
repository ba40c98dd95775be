"""`medfl-client console`: pages for a browser, for who never opens a terminal again."""

from pathlib import Path
from typing import Annotated

import typer

from medfl_client.config.folder import SiteFolder
from medfl_client.console.roles import ROLES
from medfl_common.console import options
from medfl_common.console.folder import ConsoleFolder
from medfl_common.console.user_commands import user_commands
from medfl_common.ui.screen import Screen, errors_for_people

PORT = 8421  # beside a coordinator's console


def add_console(app: typer.Typer) -> None:
    """Add the commands `console` and `user`."""
    users = user_commands(ROLES, lambda folder: ConsoleFolder(SiteFolder(folder).state).users)
    app.command()(console)
    app.add_typer(users, name="user")


def console(
    folder: Annotated[
        Path,
        typer.Argument(help="The site's directory; a new one begins with an invitation."),
    ],
    port: options.Port = PORT,
    bind: options.Bind = "127.0.0.1",
    host: options.Hosts = None,
    cert: options.Cert = None,
    key: options.Key = None,
    trust_header: options.TrustHeader = "",
    trust_from: options.TrustFrom = None,
    link: options.Link = "",
    role: Annotated[str, typer.Option(help="Of the person of --link.")] = "",
) -> None:
    """Serve the hospital's pages: data, plan, approval, client, what left. Ends with Ctrl-C."""
    from medfl_client.console.room import build, console_folder, roles_of
    from medfl_common.console.opening import Wanted, ask_link, open_console

    with errors_for_people():
        roles = roles_of(folder)
        if link:
            print(ask_link(console_folder(folder), link, role or roles[0], roles))
            return
        proxies = trust_from or ("127.0.0.1",)
        wanted = Wanted(bind, port, host or (), cert, key, trust_header, proxies)
        room = build(folder)
        try:
            open_console(room.console, wanted, room.folder, roles, Screen())
        finally:
            room.works.close()
