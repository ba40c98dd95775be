"""Commands for a study that lasts: pause, stop, extend, amend, branch, without."""

from pathlib import Path
from typing import Annotated

import typer

from medfl_common.ui.asking import confirmed
from medfl_common.ui.screen import Screen, errors_for_people
from medfl_server.steering import course

Folder = Annotated[Path, typer.Argument(help="The study's directory.")]


def pause(
    folder: Folder,
    message: Annotated[str, typer.Option(help="What the hospitals are told.")] = "",
    now: Annotated[bool, typer.Option("--now", help="Do not wait for the round's end.")] = False,
) -> None:
    """Let the study rest after the round in progress, until `resume`; hospitals are told why."""
    with errors_for_people():
        Screen().say_all(course.pause(folder, message, now))


def stop(
    folder: Folder,
    reason: Annotated[str, typer.Option(help="Why; the hospitals are told.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """End the study after the round in progress, with the best model so far: scored, reported."""
    with errors_for_people():
        question, screen = course.what_stop_means(folder), Screen()
        if not yes and not confirmed(question):
            screen.say("nothing was changed")
            raise typer.Exit(1)
        screen.say_all(course.stop(folder, reason))


def extend(
    folder: Folder,
    rounds: Annotated[int, typer.Option(help="So many rounds more.", min=1, max=10_000)],
) -> None:
    """Add rounds to a study, finished or not: the same run goes on. Hospitals approve it."""
    with errors_for_people():
        Screen().say_all(course.extend(folder, rounds))


def amend(
    folder: Folder,
    settings: Annotated[
        list[str], typer.Option("--set", help="A setting of the plan, such as training.lr=0.001.")
    ],
) -> None:
    """Change the plan of a study that does not run, from its next round on. Hospitals approve."""
    from medfl_server.study.plan_text import settings_in

    with errors_for_people():
        Screen().say_all(course.amend(folder, settings_in(settings)))


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
