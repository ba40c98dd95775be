"""`medfl-server plan`: a plan from a few questions, and from what hospitals counted; shown."""

import re
from pathlib import Path
from typing import Annotated

import typer

from medfl_common.ui.asking import Asking, person, typed
from medfl_common.ui.screen import Screen, errors_for_people


def plan(
    file: Annotated[Path, typer.Argument(help="The plan to write.")] = Path("plan.yaml"),
    known: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            help="A hospital's counts (medfl-client index --share), or the directory of a study "
            "whose hospitals told theirs; may be repeated.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE, such as images.size=128; may be repeated."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; take what is proposed.")] = False,
) -> None:
    """Write a plan: a few questions, what is proposed and why, and the same checks as `init`."""
    with errors_for_people():
        asking = Asking(Screen(), person(yes, "medfl-server plan", typed))
        if not write_plan(file, known or [], settings or [], asking):
            raise typer.Exit(1)


def write_plan(file: Path, known_in: list[Path], settings: list[str], asking: Asking) -> bool:
    """Ask, check and write; returns whether the file now says what was answered."""
    from medfl_common.plan.plan import Plan
    from medfl_common.plan.settings import loads
    from medfl_common.ui.asking import write_shown
    from medfl_server.planning.known import read_known
    from medfl_server.planning.proposals import cautions
    from medfl_server.planning.questions import ask_plan
    from medfl_server.study.plan_check import check_plan
    from medfl_server.study.plan_text import settings_in

    given, known = settings_in(settings), read_known(known_in)
    for site in known.sites:
        asking.screen.say(
            f"{site.site} counted {site.images:,} images of {site.patients:,} patients"
        )
    place = file.resolve().parent.name if file.name == "plan.yaml" else file.stem
    name = re.sub(r"[^a-z0-9]+", "-", place.lower()).strip("-")[:32] or "my-study"
    text = ask_plan(name, known, given, asking).text
    found = loads(Plan, text, str(file))
    check_plan(found, str(file))
    for caution in cautions(known):
        asking.screen.say(caution)
    if not write_shown(file, text, asking):
        return False
    asking.screen.say(f"plan hash {found.hash()}")
    asking.screen.say(f"next: medfl-server init STUDY --plan {file} --host HOST")
    return True
