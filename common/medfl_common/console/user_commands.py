"""The commands `user add`, `user list` and `user remove` of both sides."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from medfl_common.errors import ConfigError
from medfl_common.ui.screen import Screen, errors_for_people

Folder = Annotated[Path, typer.Argument(help="The directory that the console is of.")]
Name = Annotated[str, typer.Argument(help="The person's name, as records show it.")]


def user_commands(roles: Sequence[str], file_of: Callable[[Path], Path]) -> typer.Typer:
    """Give the commands of a console's users.

    Args:
        roles: Those of the console.
        file_of: Gives the users file of a directory; raises MedflError where it is none of ours.
    """
    app = typer.Typer(no_args_is_help=True, help="Who may sign in to the console by password.")

    @app.command()
    def add(
        folder: Folder,
        name: Name,
        role: Annotated[str, typer.Option(help=f"One of: {', '.join(roles)}.")],
        no_password: Annotated[
            bool, typer.Option("--no-password", help="A proxy signs this person in.")
        ] = False,
        keep_password: Annotated[
            bool, typer.Option("--keep-password", help="Change the role alone.")
        ] = False,
    ) -> None:
        """Enter a person, or change their role or password; asks for the password twice."""
        with errors_for_people():
            path = file_of(folder)
            if role not in roles:
                known = ", ".join(roles)
                raise ConfigError(f"there is no role {role!r}", todo=f"take one of: {known}")
            _enter(path, name, role, "" if no_password else None if keep_password else _asked(name))

    @app.command("list")
    def list_(folder: Folder) -> None:
        """List who may sign in, and as what."""
        with errors_for_people():
            _show(file_of(folder))

    @app.command()
    def remove(folder: Folder, name: Name) -> None:
        """Remove a person; their sessions end at once."""
        from medfl_common.console.users import remove_user

        with errors_for_people():
            remove_user(file_of(folder), name)
            Screen().say(f"{name}: removed; sessions of theirs have ended")

    return app


def _enter(path: Path, name: str, role: str, password: str | None) -> None:
    from medfl_common.console.users import put_user

    was_there = put_user(path, name, role, password)
    done = "changed; sessions of theirs have ended" if was_there else "entered"
    Screen().say(f"{name}, {role}: {done}")


def _show(path: Path) -> None:
    from medfl_common.console.users import read_users

    rows = [
        [name, user.role, "password" if user.password else "proxy"]
        for name, user in read_users(path).items()
    ]
    Screen().table(["name", "role", "signs in by"], rows)


def _asked(name: str) -> str:
    """Ask for a password in the terminal, twice, unseen; it is never an argument of a command."""
    from getpass import getpass

    if not sys.stdin.isatty():
        raise ConfigError(
            "a password is typed in a terminal, and here is none",
            todo="run it in a terminal, or add --no-password where a proxy signs people in",
        )
    first = getpass(f"Password for {name}: ")
    if first != getpass("Once more: "):
        raise ConfigError("the two passwords differ", todo="try again", data="nothing was changed")
    return first
