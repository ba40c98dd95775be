"""`medfl-server enrol` and `revoke`: a hospital gets its place by a key file, or loses it."""

from pathlib import Path

from medfl_common.ops.user import user_name
from medfl_common.run.decisions import RosterChange, RosterChanged
from medfl_common.ui.screen import Screen
from medfl_server.roster import enrolment
from medfl_server.roster.invitations import withdraw
from medfl_server.roster.roles import Role
from medfl_server.study.run_directory import Study


def enrol_site(
    study: Study,
    name: str,
    key: Path,
    images: int | None,
    replace: bool,
    role: Role,
    screen: Screen,
) -> None:
    """Enrol a hospital by the key file that it sent, and note it in the log."""
    before = enrolment.read_roster(study.folder).get(name)
    shown = enrolment.enrol(study.folder, name, key, images, replace, role)
    is_new = before is None or before.fingerprint == shown
    change: RosterChange = "enrolled" if is_new else "keys replaced"
    study.log.add(RosterChanged.of(change, name, shown, user_name()))
    screen.say(f"{name} is enrolled with {shown}; compare it with the hospital by telephone")
    if role == "evaluate":
        screen.say(f"it only scores models: have {name} write role: evaluate under policy")
    if (own := enrolment.name_beside(key)) not in ("", name):
        screen.say(
            f"the hospital called itself {own}, and answers only to the name in its site.yaml: "
            f"have it write site: {name} there, or revoke {name} and enrol new keys as {own}"
        )


def revoke_site(study: Study, name: str, screen: Screen) -> None:
    """End a hospital's invitation and take its place, whichever it has; ConfigError for neither."""
    if withdraw(study.folder, name):
        screen.say(f"the invitation of {name} is withdrawn")
        if name not in enrolment.read_roster(study.folder):
            return
    shown = enrolment.revoke(study.folder, name)
    study.log.add(RosterChanged.of("revoked", name, shown, user_name()))
    screen.say(f"{name} is out of the study; the coordinator refuses its keys {shown} from now on")
    screen.say("its updates of earlier rounds stay part of the model; nobody can take them out")
