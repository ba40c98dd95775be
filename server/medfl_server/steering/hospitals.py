"""The hospitals of a study: invited, admitted, enrolled, compared by telephone, revoked.

Each function does what the command of its name does, for `by`: whoever types it, or is signed in;
empty is the user of this machine. It gives the lines to show, and raises MedflError.
"""

from pathlib import Path

from medfl_common.errors import ConfigError
from medfl_common.ops.user import user_name
from medfl_common.run.decisions import RosterChange, RosterChanged
from medfl_server.roster import enrolment
from medfl_server.roster.comparisons import note_compared
from medfl_server.roster.invitations import Invited, waiting, withdraw
from medfl_server.roster.roles import Role
from medfl_server.study.run_directory import Study, open_study


def enrol(
    folder: Path, name: str, keys: str, images: int | None = None, replace: bool = False,
    role: Role = "train", by: str = "",
) -> list[str]:  # fmt: skip
    """Enrol a hospital by the text of its identity.pub; `images` is the most it trains on."""
    study = open_study(folder)
    enrolment.check_name(name)
    before = enrolment.read_roster(folder).get(name)
    site = enrolment.Enrolled(*enrolment.keys_in(keys), images, role)
    shown = enrolment.enrol_keys(folder, name, site, replace)
    _note(study, name, before, shown, by)
    said = [f"{name} is enrolled with {shown}; compare it with the hospital by telephone"]
    if role == "evaluate":
        said.append(f"it only scores models: have {name} write role: evaluate under policy")
    if (own := enrolment.name_in(keys)) not in ("", name):
        said.append(
            f"the hospital called itself {own}, and answers only to the name in its site.yaml: "
            f"have it write site: {name} there, or revoke {name} and enrol new keys as {own}"
        )
    return said


def asking(folder: Path, name: str) -> str:
    """Give the fingerprint with which a hospital asks to join; ConfigError where it does not."""
    return _asking(folder, name).fingerprint


def admit(
    folder: Path, name: str, fingerprint: str, images: int | None = None, replace: bool = False,
    is_compared: bool = False, by: str = "",
) -> list[str]:  # fmt: skip
    """Enrol a hospital that asks to join, with the keys of the fingerprint that was shown.

    `is_compared` notes that `by` has had the hospital read it by telephone.
    """
    study, one = open_study(folder), _asking(folder, name)
    shown = one.fingerprint
    if shown != fingerprint:
        raise ConfigError(
            f"{name} asks with {shown} now, and not with {fingerprint}",
            todo="have the hospital read its fingerprint once more",
            data="nothing was changed",
        )
    before = enrolment.read_roster(folder).get(name)
    keys = enrolment.Enrolled(one.transport, one.signing, images, one.role)
    enrolment.enrol_keys(folder, name, keys, replace)
    _note(study, name, before, shown, by)
    if is_compared:
        compare(folder, name, by, shown)
    return [f"{name} is enrolled with {shown}"]


def compare(folder: Path, name: str, by: str = "", seen: str = "") -> list[str]:
    """Note that `by` has compared an enrolled hospital's fingerprint with it by telephone.

    ConfigError where the keys have another fingerprint by now than `seen`; empty: any is noted.
    """
    study, by = open_study(folder), by or user_name()
    shown = note_compared(folder, name, by, seen)
    study.log.add(RosterChanged.of("fingerprint compared", name, shown, by))
    return [f"noted: {name} has read {shown} by telephone, and it is the same; compared by {by}"]


def revoke(folder: Path, name: str, by: str = "", why: str = "") -> list[str]:
    """End a hospital's invitation and take its place, whichever it has; ConfigError for neither.

    The log notes who did it, and why where that was given.
    """
    study, said = open_study(folder), list[str]()
    if withdraw(folder, name):
        said.append(f"the invitation of {name} is withdrawn")
        if name not in enrolment.read_roster(folder):
            return said
    shown = enrolment.revoke(folder, name)
    study.log.add(RosterChanged.of("revoked", name, shown, by or user_name(), why))
    return [
        *said,
        f"{name} is out of the study; the coordinator refuses its keys {shown} from now on",
        "its updates of earlier rounds stay part of the model; nobody can take them out",
    ]


def _asking(folder: Path, name: str) -> Invited:
    asked = waiting(folder)
    if name not in asked:
        raise ConfigError(
            f"{name} does not ask to join; who does: {', '.join(asked) or 'nobody'}",
            todo="medfl-server admit DIR lists the invitations; the hospital runs medfl-client "
            "join while medfl-server run is up",
        )
    return asked[name]


def _note(study: Study, name: str, before: enrolment.Enrolled | None, shown: str, by: str) -> None:
    """Note in the log whether the hospital is new, or has other keys."""
    is_new = before is None or before.fingerprint == shown
    change: RosterChange = "enrolled" if is_new else "keys replaced"
    study.log.add(RosterChanged.of(change, name, shown, by or user_name()))
