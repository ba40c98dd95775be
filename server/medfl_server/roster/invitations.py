"""Who is invited to a study, and which keys asked with which invitation: DIR/invitations.json.

SHA-256 of a code -> the hospital's name, when the code ends, and the keys that used it. The code
itself is in the hospital's file alone. A code is used once its keys are on the disk here, before
anybody is answered; so a kill loses no request, and no code serves two pairs of keys.
"""

import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from medfl_common.errors import RunError
from medfl_common.files import alone, write_atomic
from medfl_common.run.folder import RunFolder
from medfl_common.wire.joining import JoinRequest, Why, sha256_of
from medfl_common.wire.keys import fingerprint
from medfl_server.roster.enrolment import Roster, read_roster, revoked_keys
from medfl_server.roster.roles import Role

VERSION = 1
State = Literal["open", "asks", "enrolled", "revoked", "withdrawn", "ended"]


@dataclass(frozen=True)
class Invited:
    """An invitation, as the coordinator remembers it."""

    site: str
    ends: int  # seconds since 1970
    auto_admit: bool  # who asks is enrolled at once
    by: str  # who invited
    role: Role = "train"
    withdrawn: bool = False
    transport: str = ""  # the keys that asked; empty: nobody has asked yet
    signing: str = ""
    asked: float = 0.0  # when, in seconds since 1970

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint of the keys that asked, which both ends compare."""
        return fingerprint((self.transport, self.signing)) if self.transport else ""


Invitations = dict[str, Invited]  # by the SHA-256 of the code


def read_invitations(folder: Path) -> Invitations:
    """Read the invitations, in the order in which they were made."""
    path = RunFolder(folder).invitations
    if not path.exists():
        return {}
    try:
        facts = json.loads(path.read_text())
        if facts["version"] != VERSION:
            raise RunError(f"{path} is of a newer medfl", todo="run the medfl that wrote it")
        return {code: Invited(**values) for code, values in facts["invitations"].items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise RunError(f"{path} is damaged", todo="put it back from a copy") from None


def invite(
    folder: Path, site: str, days: int, auto_admit: bool, by: str, role: Role = "train",
    hand_out: Callable[[str, int], None] = lambda code, ends: None,
) -> tuple[str, int]:  # fmt: skip
    """Note an invitation; give its code and when it ends. An earlier one of this name is over.

    `hand_out` takes both first: where it raises, nothing is noted and the earlier one counts on.
    """
    code, ends = secrets.token_urlsafe(32), int(time.time()) + days * 86_400
    with alone(folder):
        others = _withdrawn(folder, read_invitations(folder), site)
        hand_out(code, ends)
        _write(folder, {**others, sha256_of(code): Invited(site, ends, auto_admit, by, role)})
    return code, ends


def withdraw(folder: Path, site: str) -> bool:
    """End what is open of a hospital's invitations; say whether there was something."""
    with alone(folder):
        before = read_invitations(folder)
        after = _withdrawn(folder, before, site)
        if after != before:
            _write(folder, after)
    return after != before


def state_of(one: Invited, roster: Roster, revoked: Mapping[str, object], now: float) -> State:
    """Say where an invitation stands."""
    place = roster.get(one.site)
    if one.transport and place is not None and place.fingerprint == one.fingerprint:
        return "enrolled"
    if one.transport and one.fingerprint in revoked:
        return "revoked"
    if one.withdrawn:
        return "withdrawn"
    if one.transport:
        return "asks"
    return "ended" if now > one.ends else "open"


def states(folder: Path) -> list[tuple[Invited, State]]:
    """List the invitations, each with where it stands now."""
    return _states(folder, read_invitations(folder))


def expected_sites(folder: Path) -> list[str]:
    """Name the hospitals that have no place yet, and may still come to train."""
    roster = read_roster(folder)
    coming = [one for one, state in states(folder) if state in ("open", "asks")]
    training = (one.site for one in coming if one.role == "train")
    return [site for site in dict.fromkeys(training) if site not in roster]


def waiting(folder: Path) -> dict[str, Invited]:
    """Give the requests that wait for `medfl-server admit`, by name."""
    return {one.site: one for one, state in states(folder) if state == "asks"}


def find(invitations: Invitations, code: str) -> tuple[str, Invited] | None:
    """Find the invitation of a code; None: there is none. Takes as long for each code."""
    wanted, found = sha256_of(code), None
    for known, one in invitations.items():
        if hmac.compare_digest(known, wanted):
            found = known, one
    return found


def take(folder: Path, request: JoinRequest) -> tuple[Invited | None, Why]:
    """Use an invitation for the keys of a signed request; give it, and why the request is refused.

    The same keys may ask again. What is given is on the disk.
    """
    with alone(folder):
        invitations = read_invitations(folder)
        found = find(invitations, request.code)
        if found is None:
            return None, "unknown"
        known, one = found
        why = _why_refused(folder, one, request)
        if why or one.transport:
            return one, why
        used = replace(
            one, transport=request.transport, signing=request.signing, asked=round(time.time(), 3)
        )
        _write(folder, {**invitations, known: used})
        return used, ""


def _why_refused(folder: Path, one: Invited, request: JoinRequest) -> Why:
    shown, roster = fingerprint(request.keys), read_roster(folder)
    if request.site != one.site or any(
        other.fingerprint == shown for name, other in roster.items() if name != one.site
    ):
        return "keys"
    if shown in revoked_keys(folder):
        return "revoked"
    if one.transport and one.fingerprint != shown:
        return "used"
    state = state_of(one, roster, {}, time.time())
    return state if state in ("withdrawn", "ended") else ""


def _states(folder: Path, invitations: Invitations) -> list[tuple[Invited, State]]:
    if not invitations:
        return []
    roster, revoked, now = read_roster(folder), revoked_keys(folder), time.time()
    return [(one, state_of(one, roster, revoked, now)) for one in invitations.values()]


def _withdrawn(folder: Path, invitations: Invitations, site: str) -> Invitations:
    """Mark the invitations of a hospital that are open, or whose request waits."""
    over = {id(one) for one, state in _states(folder, invitations) if state in ("open", "asks")}
    return {
        code: replace(one, withdrawn=True) if one.site == site and id(one) in over else one
        for code, one in invitations.items()
    }


def _write(folder: Path, invitations: Invitations) -> None:
    values = {code: asdict(one) for code, one in invitations.items()}
    facts = {"version": VERSION, "invitations": values}
    write_atomic(RunFolder(folder).invitations, json.dumps(facts, indent=1).encode())
