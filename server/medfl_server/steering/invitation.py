"""One file with which one hospital joins a study."""

import re
from pathlib import Path

from medfl_common.errors import ConfigError
from medfl_common.ops.address import PATTERN as ADDRESS
from medfl_common.ops.address import joined, split
from medfl_common.ops.invitation import SUFFIX, Invitation, day_of, with_graphs, write_invitation
from medfl_common.ops.user import user_name
from medfl_server.roster.certificates import certified_names
from medfl_server.roster.enrolment import check_name, read_roster
from medfl_server.roster.invitations import invite as note
from medfl_server.roster.roles import Role
from medfl_server.roster.study_key import ensure_study_key
from medfl_server.study.run_directory import Study, open_study

PORT = 8443  # where `medfl-server run` listens, if not told otherwise
MOST_DAYS = 365


def invite(
    folder: Path, name: str, out: Path | None = None, days: int = 14, address: str = "",
    auto_admit: bool = False, role: Role = "train", by: str = "",
) -> list[str]:  # fmt: skip
    """Write the invitation's file, and note it in the study; where the file fails, neither.

    Gives the lines to show; `by` is who invites, empty the user of this machine.
    """
    study = open_study(folder)
    check_name(name)
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
        write_invitation(path, with_graphs(invitation, study.plan))

    _, ends = note(study.folder, name, days, auto_admit, by or user_name(), role, write)
    return [
        f"wrote {path}: {name} joins {study.plan.study} at {place}, until {day_of(ends)}",
        f"send it to {name} alone, in a way that nobody else reads: who has it can join as {name}, "
        "once. An earlier invitation of this name counts no more",
        f"the hospital runs: medfl-client join {path.name} DIR",
        _next(study, name, auto_admit),
    ]


def _next(study: Study, name: str, auto_admit: bool) -> str:
    """Say what follows when the hospital has joined."""
    if name in read_roster(study.folder):
        return f"{name} is enrolled already; new keys need medfl-server admit --replace"
    if auto_admit:
        return f"while medfl-server run is up, {name} is enrolled as soon as it joins"
    return f"then, while run is up: medfl-server admit {study.folder} {name}"


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
