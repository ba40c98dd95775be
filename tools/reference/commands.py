"""Every command and option of the three programs."""

import inspect
from collections.abc import Iterator
from typing import Any, get_type_hints

import typer
from tools.reference.markdown import code, page, table
from typer.models import ArgumentInfo

import medfl_client.cli
import medfl_server.cli
import medfl_sim.cli

PROGRAMS = {
    "medfl-server": medfl_server.cli.app,
    "medfl-client": medfl_client.cli.app,
    "medfl-sim": medfl_sim.cli.app,
}
INTRO = """`PROGRAM COMMAND --help` shows the same. A command that fails prints what is wrong and
what to do, and exits with 1."""


def commands() -> str:
    """Give the page."""
    blocks = []
    for name, app in PROGRAMS.items():
        top: Any = typer.main.get_command(app)
        blocks += [f"## {name}", _sentence(top.help).removeprefix(f"{name}: the ").capitalize()]
        for path, command in _walk(name, top):
            blocks += [f"### {path}", _sentence(command.help), _usage(path, command)]
            rows = [_row(param, command) for param in command.params]
            blocks += [table(["argument or option", "default", "meaning"], rows)]
    return page("Commands", INTRO, *blocks)


def _walk(path: str, group: Any) -> Iterator[tuple[str, Any]]:
    """Go through commands; click's and Typer's own types differ between versions."""
    for name, command in group.commands.items():
        here = f"{path} {name}"
        if hasattr(command, "commands"):
            yield from _walk(here, command)
        else:
            yield here, command


def _usage(path: str, command: Any) -> str:
    words = [_argument(p) for p in command.params if p.param_type_name == "argument"]
    words += [f"{p.opts[0]} {_kind(p)}" for p in command.params if _must(p)]
    return code(" ".join([path, *words]))


def _must(param: Any) -> bool:
    return bool(param.param_type_name == "option" and param.required)


def _argument(param: Any) -> str:
    name = param.name.upper() + ("..." if param.nargs == -1 else "")
    return name if param.required else f"[{name}]"


def _row(param: Any, command: Any) -> list[str]:
    if param.param_type_name == "argument":
        name = code(_argument(param).strip("[]"))
    else:
        name = ", ".join(code(option) for option in [*param.opts, *param.secondary_opts])
        name += "" if param.is_flag else f" {_kind(param)}"
    words = param.help or _argument_help(param.name, command)
    return [name, _default(param), f"{words} {_limits(param)}"]


def _argument_help(name: str, command: Any) -> str:
    """Read an argument's help from its type: some pairs of Typer and click lose it."""
    hints = get_type_hints(inspect.unwrap(command.callback), include_extras=True)
    extras = getattr(hints[name], "__metadata__", ())
    return next((i.help or "" for i in extras if isinstance(i, ArgumentInfo)), "")


def _kind(param: Any) -> str:
    return {"integer": "N", "integer range": "N", "path": "PATH"}.get(param.type.name, "TEXT")


def _limits(param: Any) -> str:
    low, high = getattr(param.type, "min", None), getattr(param.type, "max", None)
    return "" if high is None else f"{low} to {high}."


def _default(param: Any) -> str:
    if param.required:
        return "required"
    if param.default is None or param.default == "":
        return ""
    if param.secondary_opts:
        return code(param.opts[0] if param.default else param.secondary_opts[0])
    return "" if param.default is False else code(param.default)


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split())
