"""Where hospitals ask to join, at the same port: beside Flower, which never sees such a request.

The listener has bounded size, time and rate before. One request is decided at a time, in a thread:
a disk that is slow holds up no hospital that works.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from medfl_common.errors import ConfigError, RunError, reason_of
from medfl_common.run.decisions import RosterChanged
from medfl_common.run.folder import RunFolder
from medfl_common.run.log import RunLog
from medfl_common.wire.joining import PATH, JoinAnswer, Why, is_signed, read_request
from medfl_server.roster.enrolment import Enrolled, enrol_keys, read_roster
from medfl_server.roster.invitations import Invited, find, read_invitations, take
from medfl_server.superlink.asgi import Asgi, Receive, Scope, Send, address, answer, read_body
from medfl_server.superlink.limits import Seldom
from medfl_server.superlink.transport import Announce

Take = Callable[[bytes, str], JoinAnswer]  # of a request's body and its sender's address
STATUS = {"asked": 200, "enrolled": 200, "refused": 403}
INVITED = "who has the invitation"
# Why a request is refused, as the coordinator reads it.
REFUSED: dict[Why, str] = {
    "ended": "its invitation has ended: medfl-server invite makes a new one",
    "withdrawn": "its invitation was withdrawn, or a newer one was made",
    "used": "its invitation was used by other keys, {used}. Ask the hospital by telephone which "
    "are its own: somebody may have copied the file",
    "keys": "the keys are damaged, or have a place under another name",
    "revoked": "these keys were revoked",
}


class JoinDesk:
    """Answers who asks to join, and passes everything else on.

    Args:
        app: Flower's SuperLink.
        take: Decides a request.
    """

    def __init__(self, app: Asgi, take: Take) -> None:
        self._app = app
        self._take = take
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with JSON, or 503 while the disk takes nothing."""
        if scope["type"] != "http" or scope.get("path") != PATH:
            await self._app(scope, receive, send)
            return
        body = await read_body(receive)
        try:
            async with self._one_at_a_time:
                told = await asyncio.to_thread(self._take, body, address(scope))
        except OSError:
            await answer(send, 503)
            return
        await answer(send, STATUS[told.state], body=told.model_dump_json().encode())


class Joining:
    """Decides who joins a study.

    Args:
        folder: The study's directory.
        announce: Takes one line for the coordinator's eyes.
    """

    def __init__(self, folder: Path, announce: Announce) -> None:
        self._folder = folder
        self._announce = announce
        self._seldom = Seldom()
        authority = x509.load_pem_x509_certificates(RunFolder(folder).ca.read_bytes())[0]
        self._authority = authority.fingerprint(hashes.SHA256())

    def __call__(self, body: bytes, sender: str) -> JoinAnswer:
        """Decide a request; what is answered is on the disk. Raises OSError where it cannot be."""
        try:
            return self._decide(body, sender)
        except (OSError, RunError) as error:
            why = reason_of(error, "the disk takes nothing")
            self._say_seldom(why, f"a request to join cannot be noted here: {why}")
            raise OSError(why) from None

    def knows(self, body: bytes) -> bool:
        """Say whether a request is made under an invitation of this study."""
        request = read_request(body)
        try:
            return request is not None and bool(find(read_invitations(self._folder), request.code))
        except (OSError, RunError):
            return False

    def _decide(self, body: bytes, sender: str) -> JoinAnswer:
        request = read_request(body)
        if request is None:
            return JoinAnswer(state="refused", why="unreadable")
        found = find(read_invitations(self._folder), request.code)
        if found is None:
            self._say_seldom(
                "", f"{sender} asked to join with a code that this study does not know; refused"
            )
            return JoinAnswer(state="refused", why="unknown")
        if not is_signed(request, self._authority):
            return self._refuse(found[1], "keys", "")
        invited, why = take(self._folder, request)
        if invited is None or why:
            keys = Enrolled(*request.keys).fingerprint
            return self._refuse(invited or found[1], why, keys)
        return self._let_in(invited)

    def _let_in(self, invited: Invited) -> JoinAnswer:
        """Enrol at once where the invitation says so, but never in the place of other keys."""
        site, keys = invited.site, Enrolled(invited.transport, invited.signing, role=invited.role)
        place = read_roster(self._folder).get(site)
        if place is not None and place.fingerprint == keys.fingerprint:
            return JoinAnswer(state="enrolled")
        if invited.auto_admit and place is None:
            try:
                enrol_keys(self._folder, site, keys)
            except ConfigError:
                return self._refuse(invited, "keys", keys.fingerprint)
            by = f"the invitation of {invited.by}"
            self._log(RosterChanged.of("enrolled", site, keys.fingerprint, by))
            self._announce(
                f"{site} has joined by its invitation, fingerprint {keys.fingerprint}; compare it "
                "with the hospital by telephone all the same"
            )
            return JoinAnswer(state="enrolled")
        if self._say_seldom(site + keys.fingerprint, asks(invited, self._folder)):
            self._log(RosterChanged.of("asked to join", site, keys.fingerprint, INVITED))
        return JoinAnswer(state="asked")

    def _refuse(self, invited: Invited, why: Why, keys: str) -> JoinAnswer:
        shown = f"with {keys} " if keys else ""
        reason = REFUSED.get(why, why).format(used=invited.fingerprint)
        line = f"{invited.site} asked to join {shown}and is refused: {reason}"
        if self._say_seldom(invited.site + why, line):
            self._log(RosterChanged.of("refused", invited.site, keys, INVITED, why))
        return JoinAnswer(state="refused", why=why)

    def _say_seldom(self, about: str, line: str) -> bool:
        """Say a line, but one about the same thing once in a while; say whether it was said."""
        is_due = self._seldom.is_due(about)
        if is_due:
            self._announce(line)
        return is_due

    def _log(self, event: RosterChanged) -> None:
        RunLog(self._folder).add(event)


def at_its_study(desks: Sequence[Joining]) -> Take:
    """Have each request decided by the study whose invitation it is."""

    def take(body: bytes, sender: str) -> JoinAnswer:
        own = next((desk for desk in desks if desk.knows(body)), desks[0])
        return own(body, sender)

    return take


def asks(invited: Invited, folder: Path) -> str:
    """Say who waits for a person's word, and what that person does."""
    return (
        f"{invited.site} asks to join, fingerprint {invited.fingerprint}; compare it with the "
        f"hospital by telephone, then: medfl-server admit {folder} {invited.site}"
    )
