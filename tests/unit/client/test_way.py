"""The one way to the coordinator: no redirect, nobody else, and a slow answer is no wrong clock."""

import http.server
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import ClassVar

import pytest

from medfl_client.connection.coordinator import look, reach
from medfl_client.connection.way import REDIRECT, Route, for_child
from medfl_common.wire.protocol import PROTOCOL, PROTOCOL_HEADER
from medfl_server.roster.certificates import create_authority

CHILD = """
import sys, httpx, ssl
from medfl_client.connection.supernode import go_straight
from medfl_client.connection.way import route_of
go_straight(route_of(sys.stdin.buffer.readline()))
client = httpx.Client(verify=ssl.create_default_context(cafile=sys.argv[1]), follow_redirects=True)
print(client.post(sys.argv[2] + "/v1/fleet/pull-messages", headers={"key": "signed"}).status_code)
try:
    client.get("https://localhost:1/")
except httpx.ConnectError as error:
    print(error)
"""


class Answer(http.server.BaseHTTPRequestHandler):
    status = 200
    slow_s = ahead_s = 0.0
    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.seen.append(self.command)
        told = formatdate(time.time() + self.ahead_s, usegmt=True)
        time.sleep(self.slow_s)
        self.send_response_only(self.status)
        self.send_header("Date", told)
        self.send_header(PROTOCOL_HEADER, str(PROTOCOL))
        self.send_header("Location", f"http://127.0.0.1:{self.server.server_address[1]}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        return None


@pytest.fixture
def route(tmp_path: Path) -> Iterator[Route]:
    """A coordinator's stand-in with the study's certificate."""
    create_authority(tmp_path, "small", "localhost")
    tls = tmp_path / "tls"
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls / "server.crt", tls / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Answer.seen.clear()
    yield Route(f"localhost:{server.server_port}", tls / "ca.crt", tls / "none", "")
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed_and_it_is_told(
    route: Route, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(Answer, "status", status)

    assert "sends this site on to another address" in (look(route) or "")
    assert len(Answer.seen) == 1


def test_the_supernodes_process_follows_no_redirect_and_reaches_nobody_else(
    route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answer, "status", 307)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "[::1]")

    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(route.ca), f"https://{route.address}"],
        input=for_child(route), capture_output=True, check=True,
    )  # fmt: skip

    assert done.stdout.decode().splitlines() == [
        REDIRECT, "307", "medfl connects to the coordinator only",
    ]  # fmt: skip
    assert Answer.seen == ["POST"]


@pytest.mark.parametrize(
    ("ahead_s", "slow_s", "least", "most"),
    [(0, 6.5, 0, 0.6), (0, 0, -0.6, 0.6), (-10, 0.1, 9, 10.7), (-400, 1, 399, 401),
     (+400, 1, -401, -397)],
)  # fmt: skip
def test_a_slow_answer_is_not_a_wrong_clock(
    route: Route,
    monkeypatch: pytest.MonkeyPatch,
    ahead_s: float,
    slow_s: float,
    least: float,
    most: float,
) -> None:
    monkeypatch.setattr(Answer, "ahead_s", ahead_s)
    monkeypatch.setattr(Answer, "slow_s", slow_s)

    assert least <= reach(route).ahead_s <= most
