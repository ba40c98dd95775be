"""`medfl-server invite`: one file with which one hospital joins the study."""

import re
from pathlib import Path

from medfl_common.errors import ConfigError
from medfl_common.ops.address import PATTERN as ADDRESS
from medfl_common.ops.address import joined, split
from medfl_common.ops.invitation import SUFFIX, Invitation, day_of, write_invitation
from medfl_common.ops.user import user_name
from medfl_common.plan.settings import NAME, NAME_IN_WORDS
from medfl_common.ui.screen import Screen
from medfl_server.roster.certificates import certified_names
from medfl_server.roster.enrolment import read_roster
from medfl_server.roster.invitations import invite as note
from medfl_server.roster.roles import Role
from medfl_server.roster.study_key import ensure_study_key
from medfl_server.study.run_directory import Study

PORT = 8443  # where `medfl-server run` listens, if not told otherwise
MOST_DAYS = 365


def invite(
    study: Study,
    name: str,
    days: int,
    address: str,
    auto_admit: bool,
    role: Role,
    out: Path | None,
    screen: Screen,
) -> None:
    """Write the invitation's file, and note it in the study; where the file fails, neither."""
    if not re.fullmatch(NAME, name):
        raise ConfigError(f"the name {name!r} is not allowed", todo=f"write {NAME_IN_WORDS}")
    if days > MOST_DAYS:
        raise ConfigError(f"--days {days} is too long", todo=f"write {MOST_DAYS} at most")
    place, path = _address(study, address), out or Path(f"{name}{SUFFIX}")
    if path.exists():
        raise ConfigError(
            f"there is a file {path.resolve()} already", todo="put it away, or name another: --out"
        )
    ensure_study_key(study.folder)
    ca, plan = study.files.ca.read_text(), study.files.plan_file.read_text(encoding="utf-8-sig")

    def write(code: str, ends: int) -> None:
        invitation = Invitation(
            medfl_invitation=1, study=study.plan.study, site=name, role=role, address=place,
            ends=ends, code=code, ca=ca, plan=plan,
        )  # fmt: skip
        write_invitation(path, invitation)

    _, ends = note(study.folder, name, days, auto_admit, user_name(), role, write)
    screen.say(f"wrote {path}: {name} joins {study.plan.study} at {place}, until {day_of(ends)}")
    screen.say(
        f"send it to {name} alone, in a way that nobody else reads: who has it can join as {name}, "
        "once. An earlier invitation of this name counts no more"
    )
    screen.say(f"the hospital runs: medfl-client join {path.name} DIR")
    if name in read_roster(study.folder):
        screen.say(f"{name} is enrolled already; new keys need medfl-server admit --replace")
    elif auto_admit:
        screen.say(f"while medfl-server run is up, {name} is enrolled as soon as it joins")
    else:
        screen.say(f"then, while run is up: medfl-server admit {study.folder} {name}")


def _address(study: Study, address: str) -> str:
    """Give the address for hospitals, which the server's certificate has to be for."""
    names = certified_names(study.folder)
    place = address or joined(names[0], PORT)
    if not re.fullmatch(ADDRESS, place):
        raise ConfigError(
            f"the address {place!r} is none", todo="write HOST:PORT, such as fl.example.org:8443"
        )
    host, _ = split(place)
    if host not in names:
        raise ConfigError(
            f"the server's certificate is for {', '.join(names)}, not for {host}",
            todo=f"run medfl-server renew {study.folder} --host {host}, or name another --address",
        )
    return place
