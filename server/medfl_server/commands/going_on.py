"""Commands for a study that lasts: pause, extend, amend, branch, without."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medfl_common.ui.asking import confirmed
from medfl_common.ui.screen import Screen, errors_for_people
from medfl_common.visible import visible

if TYPE_CHECKING:
    from medfl_server.study.plan_change import Changed

Folder = Annotated[Path, typer.Argument(help="The study's directory.")]


def pause(
    folder: Folder,
    message: Annotated[str, typer.Option(help="What the hospitals are told.")] = "",
    now: Annotated[bool, typer.Option("--now", help="Do not wait for the round's end.")] = False,
) -> None:
    """Let the study rest after the round in progress, until `resume`; hospitals are told why."""
    from medfl_server.study.pause_wish import wish_pause

    with errors_for_people():
        is_running = wish_pause(folder, message, now)
        when = "now" if now else "after the round in progress"
        screen = Screen()
        if is_running:
            screen.say(f"the coordinator rests {when}, and tells the hospitals")
        else:
            screen.say("no coordinator runs here; none starts, until the pause ends")
        screen.say(f"medfl-server resume {folder} lets the study go on")


def extend(
    folder: Folder,
    rounds: Annotated[int, typer.Option(help="So many rounds more.", min=1, max=10_000)],
) -> None:
    """Add rounds to a study, finished or not: the same run goes on. Hospitals approve it."""
    from medfl_server.study.plan_change import extend as write

    with errors_for_people():
        _tell(write(folder, rounds), folder)


def amend(
    folder: Folder,
    settings: Annotated[
        list[str], typer.Option("--set", help="A setting of the plan, such as training.lr=0.001.")
    ],
) -> None:
    """Change the plan of a study that does not run, from its next round on. Hospitals approve."""
    from medfl_server.study.plan_change import amend as write
    from medfl_server.study.plan_text import settings_in

    with errors_for_people():
        _tell(write(folder, settings_in(settings)), folder)


def branch(
    folder: Folder,
    new: Annotated[Path, typer.Argument(help="The new study's directory.")],
    plan: Annotated[Path, typer.Option(help="The new study's plan.")],
) -> None:
    """Make a new study from a finished one's model, with its hospitals, keys and split."""
    from medfl_server.study.branch import branch as make

    with errors_for_people():
        made = make(folder, new, plan)
        now, screen = made.study.plan, Screen()
        screen.say(f"made the study {now.study} in {new}, from the final model in {folder}")
        screen.say(f"plan hash {now.hash()}")
        screen.say(
            f"who trains, validates and tests is as in {now.evaluation.split_of}: nobody who "
            "tested is trained on"
        )
        for note in made.notes:
            screen.say(note)
        screen.say("the hospitals keep their directories and keys; each approves what is new")
        screen.say(f"next: medfl-server run {new}")


def without(
    folder: Folder,
    name: Annotated[str, typer.Argument(help="The hospital whose updates are taken out.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it costs.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Go back before a hospital's first update, and make the rounds again without it."""
    from medfl_server.study.going_back import cost_of, go_back
    from medfl_server.study.run_directory import open_study

    with errors_for_people():
        screen = Screen()
        for line in cost_of(open_study(folder), name).in_words:
            screen.say(line)
        if dry_run:
            return
        if not yes and not confirmed(f"Make these rounds again without {name}?"):
            screen.say("nothing was changed")
            raise typer.Exit(1)
        study = go_back(folder, name)
        screen.say(f"{name} is off the roster; its keys are not revoked: enrol takes them again")
        screen.say(f"the rounds are made again as run {study.run[:8]}")
        screen.say(f"next: medfl-server run {folder}")


def _tell(changed: "Changed", folder: Path) -> None:
    from medfl_server.study.plan_change import schedule_notes
    from medfl_server.study.plan_check import plan_notes

    screen, plan = Screen(), changed.study.plan
    for key, before, now in changed.changes:
        screen.say(visible(f"{key}: {before} -> {now}"))
    screen.say(f"plan hash {plan.hash()}, from round {changed.round + 1} on")
    for note in [*schedule_notes(changed), *plan_notes(plan)]:
        screen.say(note)
    screen.say("the plan comes to each hospital with its next task, and waits for approval there:")
    screen.say("medfl-client approve DIR shows them what changed")
    screen.say(f"next: medfl-server run {folder}")
