"""Messages to and from sites, by name, over a Flower Grid of any kind."""

from collections.abc import Callable, Container, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Self

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from medfl_common.errors import RunError, explain_code
from medfl_server.roster.enrolment import Enrolled
from medfl_server.roster.ledgers import Heard
from medfl_server.roster.roles import Role
from medfl_server.superlink.task_signer import TaskSigner

Announce = Callable[[str], None]  # one line for the coordinator's eyes
Explain = Callable[[int, int], str]  # what a code and the number of its incident mean
ReadRoster = Callable[[], Mapping[str, Enrolled | None]]  # None: a virtual hospital has no keys


@dataclass(frozen=True)
class ConnectedSite:
    """A connected site."""

    node: int  # Flower's id of it
    session: str  # changes whenever the site reconnects


class UnreadableReplyError(RunError):
    """A site's reply arrived and cannot be read."""


class HaltedReplyError(RunError):
    """A site's reply came to a halt on its way; asked again, the site sends it again."""


@dataclass(frozen=True)
class Arrival:
    """The answer to a message: content, or the fact that none will come."""

    content: RecordDict | None
    unreadable: str = ""  # why the reply that came cannot be read
    halted: str = ""  # why the site is to be asked again


class Post:
    """Sends tasks and fetches replies one at a time.

    Args:
        grid: Where the sites are.
        connected_sites: Lists the connected sites by their enrolled names.
        roster: Returns the sites that belong to the study now, in the order of enrolment.
        ttl_s: How long a message may wait for its reply.
        explain: Says why a task ended with a code at a site.
        signer: Signs tasks for real sites.
        outside: Virtual hospitals that only score; the roster says it of real ones.
        virtual_keys: Lines of the keys that virtual hospitals sign with in secure sums.
    """

    def __init__(
        self,
        grid: Grid,
        connected_sites: Callable[[], Mapping[str, ConnectedSite]],
        roster: ReadRoster,
        ttl_s: float,
        explain: Explain = explain_code,
        signer: TaskSigner | None = None,
        outside: Container[str] = (),
        virtual_keys: Mapping[str, str] | None = None,
    ) -> None:
        self._grid = grid
        self.connected_sites = connected_sites
        self._everybody = roster
        self._outside = outside
        self._virtual_keys = virtual_keys or {}
        self._role: Role = "train"
        self._seen: Mapping[str, Enrolled | None] | None = None  # of whom `_own` are a part
        self._own: Mapping[str, Enrolled | None] = {}
        self._ttl_s = ttl_s
        self.explain: Explain = explain
        self._signer = signer

    def roster(self) -> Mapping[str, Enrolled | None]:
        """List the sites that train, or those outside (`to_outside`), in the order of enrolment."""
        everybody = self._everybody()
        if everybody is not self._seen:
            self._own = {n: e for n, e in everybody.items() if self._role_of(n, e) == self._role}
            self._seen = everybody
        return self._own

    def signing_keys(self) -> dict[str, str]:
        """Give the OpenSSH line of each site's signing key."""
        return {
            name: self._virtual_keys.get(name, "") if one is None else one.signing
            for name, one in self.roster().items()
        }

    def to_outside(self) -> Self:
        """Give the post to the hospitals that only score."""
        other = copy(self)
        other._role, other._seen = "evaluate", None
        return other

    def _role_of(self, name: str, enrolled: Enrolled | None) -> Role:
        if enrolled is not None:
            return enrolled.role
        return "evaluate" if name in self._outside else "train"

    def sign(self, content: RecordDict, site: str) -> str:
        """Sign a task for a site; return its digest, empty for a virtual hospital."""
        enrolled = self._everybody().get(site)
        if self._signer is None or enrolled is None:
            return ""
        return self._signer.sign(content, site, enrolled)

    def hear(self, content: RecordDict, site: str) -> Heard | None:
        """Note a site's ledger from its signed reply; give the line that it has gone back on."""
        return self._signer.hear(content, site) if self._signer is not None else None

    def send(self, to: ConnectedSite, content: RecordDict, round_: int) -> str | None:
        """Send a task; return the id of its reply, None if Flower did not take it."""
        message = Message(content, to.node, "train", ttl=self._ttl_s, group_id=str(round_))
        ids = list(self._grid.push_messages([message]))
        return ids[0] if ids else None

    def fetch(self, message_id: str) -> Arrival | None:
        """Return the answer to a message, or None before it arrives."""
        try:
            for reply in self._grid.pull_messages([message_id]):
                return Arrival(None if reply.has_error() else reply.content)
        except UnreadableReplyError as error:
            return Arrival(None, unreadable=error.what)
        except HaltedReplyError as error:
            return Arrival(None, halted=error.what)
        return None
