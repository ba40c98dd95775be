"""`medfl-client join`: from an invitation to a place in the study, in one command.

It may be repeated: what is there is kept, and the coordinator gives the same keys the same answer.
A further study of the same coordinator joins into the hospital's directory, with the same keys.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from medfl_client.commands.init import set_server
from medfl_client.config.folder import SiteFolder, home_of
from medfl_client.config.identity import create_identity
from medfl_client.config.site_file import SiteFile, load_site_file
from medfl_client.config.site_template import write_site_file
from medfl_client.config.studies import running_state, study_folders
from medfl_client.connection.joining import ask_to_join
from medfl_client.connection.study_key import in_words, known_study_key, read_authorities
from medfl_client.doctor.files import check_keys
from medfl_client.doctor.network import route_to, way_checks
from medfl_client.first_look.questions import ask_data
from medfl_client.first_look.subject import Given, Subject
from medfl_common.errors import ConfigError
from medfl_common.files import holder, write_atomic
from medfl_common.ops.checks import HEADER, Finding, examine, has_failed
from medfl_common.ops.invitation import Invitation, read_invitation
from medfl_common.plan.plan import load_plan
from medfl_common.ui.asking import Asking
from medfl_common.ui.told import Shows
from medfl_common.wire.keys import fingerprint
from medfl_common.wire.study_key import issued_key, key_line

OTHER = "join into a directory of its own, or ask the coordinator which study is meant"


@dataclass(frozen=True)
class Joined:
    """What the coordinator answered to who asked for a place."""

    folder: Path  # of the study
    study: str
    site: str
    is_enrolled: bool
    fingerprint: str  # of the site's keys, to be read to the coordinator by telephone
    study_key: str  # in words, to be compared then
    is_whole: bool  # whether all that the plan brings as data is here


def join(folder: Path, invitation_file: Path, given: Given, asking: Asking) -> bool:
    """Make the site's directory, ask for a place, and say what comes next.

    Returns whether the coordinator was asked; raises LinkError where it refuses.
    """
    invitation, screen = read_invitation(invitation_file), asking.screen
    joined = take_part(folder, invitation, given, asking)
    if joined is None:
        screen.say(f"once this is put right: medfl-client join {invitation_file} {folder}")
        return False
    folder = joined.folder
    approve, run = f"medfl-client approve {folder}", f"medfl-client run {home_of(folder)}"
    if joined.is_whole:
        screen.say(f"next: {approve}, then {run}")
    else:
        screen.say(f"next: {run}, which fetches what the plan brings as data; then {approve}")
    if holder(running_state(folder)):
        screen.say("the client that runs here takes its tasks, too, once you have approved")
    return True


def take_part(folder: Path, invitation: Invitation, given: Given, asking: Asking) -> Joined | None:
    """Make the directory and keys, and ask the coordinator; None: something stands in the way."""
    folder = _folder_of_study(folder, invitation)
    site, screen = _make_directory(folder, invitation, given, asking), asking.screen
    lines = create_identity(folder, site.site)
    files = SiteFolder(folder)
    found = examine({"keys": partial(check_keys, folder)}) + way_checks(folder, site)
    if has_failed(found):
        _show_failed(found, folder, invitation, screen)
        return None
    address = site.server.address if site.server is not None else invitation.address
    screen.say(
        f"the way to {address} is open. Sent now: the name {site.site}, two public keys "
        "with their signatures, the code of the invitation; nothing of your data"
    )
    answer = ask_to_join(folder, route_to(folder, site, address), invitation)
    joined = Joined(
        folder, invitation.study, site.site, answer.state == "enrolled", fingerprint(lines),
        in_words(files.ca, files.state), invitation.keep_graphs(files.state),
    )  # fmt: skip
    screen.say(f"fingerprint of your keys: {joined.fingerprint}")
    screen.say(f"study key: {joined.study_key}")
    if joined.is_enrolled:
        screen.say(f"{site.site} is enrolled in {invitation.study}; compare both by telephone")
    else:
        screen.say(
            f"{site.site} has asked to join {invitation.study}. Read the fingerprint of your keys "
            "to the coordinator by telephone, and compare the study key; then it admits you"
        )
    return joined


def _folder_of_study(folder: Path, invitation: Invitation) -> Path:
    """Give the directory for a study: the hospital's own, or for a further study one below it.

    Raises ConfigError where the hospital has another name in the invitation, or another way.
    """
    folder = home_of(folder)
    files = SiteFolder(folder)
    if not (files.site_file.exists() and files.ca.exists()):
        return folder
    own, invited = read_authorities(files.ca), invitation.authorities
    if own[0] != invited[0] or len(invited) == 1:
        return folder  # another coordinator, or a version without study keys: one directory each
    key = key_line(issued_key(invited[1], invited))
    known = {one: known_study_key(SiteFolder(one).ca, SiteFolder(one).state)
             for one in study_folders(folder) if SiteFolder(one).ca.exists()}  # fmt: skip
    if found := [one for one, line in known.items() if line == key]:
        return found[0]
    if not known[folder]:
        return folder
    site = load_site_file(folder)
    address = site.server.address if site.server is not None else ""
    if (site.site, address) != (invitation.site, invitation.address):
        raise ConfigError(
            f"{files.site_file} is of {site.site} at {address}; the invitation is for "
            f"{invitation.site} at {invitation.address}",
            todo=OTHER,
        )
    return files.studies / invitation.study


def _make_directory(folder: Path, invitation: Invitation, given: Given, asking: Asking) -> SiteFile:
    """Write what is missing; raises ConfigError where the directory is another study's."""
    files, plan, screen = SiteFolder(folder), invitation.read_plan(), asking.screen
    _refuse_other_study(files, invitation)
    if files.site_file.exists():
        screen.say(f"{files.site_file} is there, and stays as it is")
    else:
        data = ask_data(Subject(folder, plan=plan), given, asking)
        write_site_file(files.site_file, invitation.site, data, invitation.role)
        screen.say(f"wrote {files.site_file}; edit it where your data or your policy differ")
        for name in (data.folder, data.labels):
            if not (folder / name).exists():
                screen.say(f"{folder / name} is not there yet; put it there, or edit the file")
    site = load_site_file(folder)
    if site.site != invitation.site:
        raise ConfigError(
            f"{files.site_file} says site: {site.site}, the invitation is for {invitation.site}",
            todo=OTHER,
        )
    if site.policy.role != invitation.role:
        screen.say(f"the invitation says role: {invitation.role}; write that under policy")
    if site.server is None:
        set_server(files.site_file, site, invitation.address)
    if not files.plan_file.exists():
        write_atomic(files.plan_file, invitation.plan.encode())
    if not files.ca.exists() or files.ca.read_text() != invitation.ca:
        write_atomic(files.ca, invitation.ca.encode())
    return load_site_file(folder)


def _refuse_other_study(files: SiteFolder, invitation: Invitation) -> None:
    """Refuse to put another authority, or another plan, in the place of one that is there."""
    if files.ca.exists() and read_authorities(files.ca)[0] != invitation.authority:
        raise ConfigError(f"{files.ca} is of another study than the invitation", todo=OTHER)
    if files.plan_file.exists():
        seen, said = load_plan(files.plan_file).hash(), invitation.read_plan().hash()
        if seen != said:
            raise ConfigError(
                f"{files.plan_file} has the hash {seen[:12]}, the invitation's plan {said[:12]}",
                todo="put that file away if the coordinator's plan is the one meant",
            )


def _show_failed(found: list[Finding], folder: Path, invitation: Invitation, screen: Shows) -> None:
    """Say what stands in the way and who acts."""
    failed = [f for f in found if f.state == "fail"]
    rows = [[f.check, f.state.upper(), f.seen, f"{f.who}: {f.todo}"] for f in failed]
    screen.table(HEADER, rows)
    screen.say(f"not joined yet; nothing was sent, and all files in {folder} are kept")
    screen.say(f"the invitation ends on {invitation.last_day}")
