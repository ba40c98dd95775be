"""`medfl-server admit`: a person enrols a hospital that asks to join, or lists who was invited."""

import time
from collections.abc import Callable
from pathlib import Path

from medfl_common.ui.screen import Screen
from medfl_server.roster.invitations import State, states
from medfl_server.steering.hospitals import admit, asking
from medfl_server.study.run_directory import Study

Ask = Callable[[str], bool]
HEAD = ["hospital", "its invitation", "fingerprint of the keys that asked", "invited by"]
WORDS: dict[State, str] = {
    "open": "open until {day}",
    "asks": "asks to join: medfl-server admit",
    "enrolled": "used; enrolled",
    "revoked": "used; its keys are revoked",
    "withdrawn": "withdrawn",
    "ended": "ended on {day}, unused",
}


def admit_site(
    folder: Path, name: str, images: int | None, replace: bool, ask: Ask | None, screen: Screen
) -> bool:
    """Show the fingerprint, and enrol the hospital if the person says that it is the right one.

    Without `ask` nobody is asked, and nobody has compared it. Raises ConfigError where this
    hospital does not ask, or where its keys cannot be enrolled.
    """
    shown = asking(folder, name)
    screen.say(f"{name} asks with {shown}")
    if ask and not ask(f"Has {name} read this fingerprint to you by telephone?"):
        screen.say("not admitted; nothing was changed. medfl-server revoke withdraws it")
        return False
    screen.say_all(admit(folder, name, shown, images, replace, is_compared=ask is not None))
    return True


def list_invitations(study: Study, screen: Screen) -> None:
    """Show every invitation and where it stands; those whose request waits come first."""
    found = sorted(states(study.folder), key=lambda pair: pair[1] != "asks")
    if not found:
        screen.say(f"nobody was invited; medfl-server invite {study.folder} NAME does")
        return
    rows = []
    for one, state in found:
        day = time.strftime("%Y-%m-%d", time.gmtime(one.ends))
        how = ", enrolled at once" if one.auto_admit and state == "open" else ""
        how += ", to score only" if one.role == "evaluate" else ""
        rows.append([one.site, WORDS[state].format(day=day) + how, one.fingerprint, one.by])
    screen.table(HEAD, rows)
