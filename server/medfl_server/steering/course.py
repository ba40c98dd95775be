"""The course of a study: it rests, goes on, ends, or gets another plan.

Each function does what the command of its name does, for `by`: whoever types it, or is signed in;
empty is the user of this machine. It gives the lines to show, and raises MedflError.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from medfl_common.files import holder
from medfl_common.visible import visible
from medfl_server.study.coordinator import is_coordinator, studies_below
from medfl_server.study.pause_wish import forget_wish, wish_in, wish_pause
from medfl_server.study.run_directory import open_study
from medfl_server.study.stop_wish import check_can_stop, wish_stop

if TYPE_CHECKING:
    from medfl_common.plan.bounds import Value
    from medfl_server.study.plan_change import Changed


def pause(folder: Path, message: str, is_now: bool = False, by: str = "") -> list[str]:
    """Let a study rest after the round in progress, or now; hospitals are told the message."""
    is_running = wish_pause(folder, message, is_now, by)
    when = "now" if is_now else "after the round in progress"
    return [
        f"the coordinator rests {when}, and tells the hospitals"
        if is_running
        else "no coordinator runs here; none starts, until the pause ends",
        f"medfl-server resume {folder} lets the study go on",
    ]


def resume(folder: Path) -> tuple[list[str], bool]:
    """Let a study go on that a person has paused, or all below a directory.

    The second value says whether a coordinator runs it, among others, and goes on by itself.
    """
    said, goes_on = list[str](), False
    for one in studies_below(folder) if is_coordinator(folder) else [folder]:
        study = open_study(one)
        if forget_wish(one):
            above = one.resolve().parent
            goes_on = goes_on or (is_coordinator(above) and bool(holder(above)))
            said.append(f"the study {study.plan.study} is not paused any more")
    if goes_on:
        said.append("the coordinator that runs goes on with it")
    return said, goes_on


def stop(folder: Path, reason: str, by: str = "") -> list[str]:
    """End a study with the best so far, after the round in progress; hospitals are told why."""
    is_running = wish_stop(folder, reason, by)
    if is_running:
        said = ["no round follows the one in progress; then the coordinator has the model scored"]
    else:
        how = "run" if wish_in(folder) is None else "resume"
        said = [f"no coordinator runs it; medfl-server {how} {folder} has the model scored"]
    return [*said, f"that is its end; medfl-server extend {folder} --rounds N goes on afterwards"]


def what_stop_means(folder: Path) -> str:
    """Say what `stop` would end, to ask a person; RunError where it cannot."""
    study = open_study(folder)
    made, n_rounds = check_can_stop(study), study.plan.federation.rounds
    return (
        f"End {study.plan.study} for good after {made} of {n_rounds} rounds (and the one in "
        "progress), with the best model so far? A pause lets it rest"
    )


def extend(folder: Path, n_rounds: int, by: str = "") -> list[str]:
    """Add rounds to a study that does not run, finished or not."""
    from medfl_server.study import plan_change

    return _told(plan_change.extend(folder, n_rounds, by), folder)


def amend(
    folder: Path, settings: "dict[str, Value]", by: str = "", seen: str = ""
) -> list[str]:  # fmt: skip
    """Change the plan of a study that does not run, from its next round on.

    ConfigError where the plan has another hash by now than the one `seen`; empty: it is not asked.
    """
    from medfl_server.study import plan_change

    return _told(plan_change.amend(folder, settings, by, seen), folder)


def _told(changed: "Changed", folder: Path) -> list[str]:
    from medfl_server.study.plan_change import schedule_notes
    from medfl_server.study.plan_check import plan_notes

    plan = changed.study.plan
    return [
        *(visible(f"{key}: {before} -> {now}") for key, before, now in changed.changes),
        f"plan hash {plan.hash()}, from round {changed.round + 1} on",
        *schedule_notes(changed),
        *plan_notes(plan),
        "the plan comes to each hospital with its next task, and waits for approval there:",
        "medfl-client approve DIR shows them what changed",
        f"next: medfl-server run {folder}",
    ]
