"""A study that invites, and hospitals that ask to join."""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from medfl_client.config.identity import create_identity, signing_key, transport_key
from medfl_common.run.decisions import RosterChanged
from medfl_common.wire.joining import PATH, JoinAnswer, sign_request
from medfl_common.wire.keys import fingerprint
from medfl_server.roster.certificates import create_authority
from medfl_server.roster.invitations import invite
from medfl_server.study.run_directory import Study
from medfl_server.superlink.asgi import Event, Receive, Scope, Send, answer
from medfl_server.superlink.bell import Bell
from medfl_server.superlink.join_desk import JoinDesk, Joining
from medfl_server.superlink.listener import FleetOnly

ASKED, ENROLLED = JoinAnswer(state="asked"), JoinAnswer(state="enrolled")


class Desk:
    """A study that invites, and hospitals that ask."""

    def __init__(self, study: Study, sites: Path) -> None:
        create_authority(study.folder, "small", "localhost")
        self.study, self.folder, self.sites = study, study.folder, sites
        self.said: list[str] = []
        self.joining = Joining(self.folder, self.said.append)
        ca = x509.load_pem_x509_certificate((self.folder / "tls" / "ca.crt").read_bytes())
        self.authority = ca.fingerprint(hashes.SHA256())

    def invite(self, site: str, auto_admit: bool = False, days: int = 14) -> str:
        return invite(self.folder, site, days, auto_admit, "anna")[0]

    def keys(self, machine: str) -> str:
        return fingerprint(create_identity(self.sites / machine, "x"))

    def request(self, code: str, site: str, machine: str = "") -> bytes:
        """Sign with the keys of a machine, by default the site's own."""
        home = self.sites / (machine or site)
        lines = [" ".join(line.split()[:2]) for line in create_identity(home, "x")]
        pair = transport_key(home), signing_key(home)
        return sign_request(code, site, self.authority, *pair, (lines[0], lines[1]))

    def ask(self, code: str, site: str, machine: str = "") -> JoinAnswer:
        return self.joining(self.request(code, site, machine), "192.0.2.1")

    def changes(self) -> list[tuple[str, str]]:
        read = self.study.log.read(RosterChanged)
        return [(str(e.facts["change"]), str(e.facts.get("why", ""))) for e in read]


def refused(why: str) -> JoinAnswer:
    return JoinAnswer.model_validate({"state": "refused", "why": why})


async def flower(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, 418)


def face_of(desk: Desk) -> FleetOnly:
    return FleetOnly(JoinDesk(flower, desk.joining), Bell(), knows=lambda scope: False)


async def post(
    face: FleetOnly, body: bytes, headers: dict[bytes, bytes] | None = None, path: str = PATH
) -> tuple[int, bytes]:
    sent: list[Event] = []

    async def receive() -> Event:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(event: Event) -> None:
        sent.append(event)

    told = headers if headers is not None else {b"content-length": b"%d" % len(body)}
    scope = {"type": "http", "path": path, "client": ("192.0.2.1", 1), "headers": [*told.items()]}
    await face(scope, receive, send)
    return int(sent[0]["status"]), bytes(sent[1]["body"])
