"""Commands as people call them: what they take, what they print, the hashes of plans."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from medfl_client.cli import app as client_app
from medfl_server.cli import app as server_app
from medfl_sim.cli import app as sim_app

HERE = Path(__file__).parent
CONFIGS = HERE.parents[1] / "configs"
APPS = {"client": client_app, "server": server_app, "sim": sim_app}
TERMINAL = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", "FORCE_COLOR": None}


def call(side: str, *arguments: object) -> str:
    """Run one command in this process and return what it printed; RuntimeError where it failed."""
    done = CliRunner().invoke(APPS[side], [*map(str, arguments)], env=TERMINAL)
    if done.exit_code != 0:
        said = f"{done.output}\n{done.exception!r}"
        raise RuntimeError(f"medfl-{side} {arguments[0]} ended with {done.exit_code}:\n{said}")
    return done.output


def help_of(side: str) -> str:
    """Say what a command and all below it take: names, kinds, defaults and help.

    Not as `--help` prints it, which differs between versions of typer, click and rich.
    """
    return "\n".join(_pages(typer.main.get_command(APPS[side]), f"medfl-{side}"))


def _pages(command: Any, path: str) -> Iterator[str]:
    about = " ".join((command.help or "").split())
    yield "\n".join([f"=== {path}", about, *(f"  {_parameter(p)}" for p in command.params)]) + "\n"
    for name, below in sorted(getattr(command, "commands", {}).items()):
        yield from _pages(below, f"{path} {name}")


def _parameter(parameter: Any) -> str:
    kind = parameter.type
    ends = f" {kind.min}..{kind.max}" if hasattr(kind, "min") else ""
    facts = [f"{kind.name}{ends}"]
    facts += ["required"] if parameter.required else []
    facts += (
        ["repeatable"] if getattr(parameter, "multiple", False) or parameter.nargs == -1 else []
    )
    if isinstance(parameter.default, bool | int | float | str | Path):
        facts.append(f"default {parameter.default}")
    names = " ".join([*parameter.opts, *parameter.secondary_opts])
    if parameter.param_type_name == "argument":  # click and typer do not agree whose its help is
        return f"{names.upper()} ({', '.join(facts)})"
    return f"{names} ({', '.join(facts)}): {parameter.help}"


def plan_hashes(folder: Path) -> dict[str, str]:
    """Give the hash of each plan in configs/ and here, as a new study's directory names it."""
    found = {}
    for plan in sorted([*CONFIGS.glob("*.yaml"), *HERE.glob("*/plan.yaml")]):
        if not plan.name.endswith(".site.yaml"):
            name = f"{plan.parent.name}/{plan.name}"
            call("server", "init", folder / name, "--plan", plan, "--host", "localhost")
            found[name] = json.loads((folder / name / "study.json").read_text())["plan_sha256"]
    return found
