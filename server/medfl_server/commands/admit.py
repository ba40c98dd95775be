"""`medfl-server admit`: a person enrols a hospital that asks to join, or lists who was invited."""

import time
from collections.abc import Callable

from medfl_common.errors import ConfigError
from medfl_common.ops.user import user_name
from medfl_common.run.decisions import RosterChange, RosterChanged
from medfl_common.ui.screen import Screen
from medfl_server.roster.enrolment import Enrolled, enrol_keys, read_roster
from medfl_server.roster.invitations import State, states, waiting
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
    study: Study, name: str, images: int | None, replace: bool, ask: Ask, screen: Screen
) -> bool:
    """Show the fingerprint, and enrol the hospital if the person says that it is the right one.

    Raises ConfigError where this hospital does not ask, or where its keys cannot be enrolled.
    """
    asked = waiting(study.folder)
    if name not in asked:
        raise ConfigError(
            f"{name} does not ask to join; who does: {', '.join(asked) or 'nobody'}",
            todo="medfl-server admit DIR lists the invitations; the hospital runs medfl-client "
            "join while medfl-server run is up",
        )
    one = asked[name]
    keys = Enrolled(one.transport, one.signing, images, one.role)
    screen.say(f"{name} asks with {keys.fingerprint}")
    if not ask(f"Has {name} read this fingerprint to you by telephone?"):
        screen.say("not admitted; nothing was changed. medfl-server revoke withdraws it")
        return False
    before = read_roster(study.folder).get(name)
    shown = enrol_keys(study.folder, name, keys, replace)
    is_new = before is None or before.fingerprint == shown
    change: RosterChange = "enrolled" if is_new else "keys replaced"
    study.log.add(RosterChanged.of(change, name, shown, user_name()))
    screen.say(f"{name} is enrolled with {shown}")
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
