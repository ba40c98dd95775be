"""The look at the coordinator, against real TLS servers on loopback with all kinds of faults."""

import http.server
import re
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from medfl_client.connection.coordinator import look
from medfl_client.connection.way import Route
from medfl_common.wire.protocol import PROTOCOL_HEADER
from medfl_server.roster.certificates import create_authority

DAY = timedelta(days=1)


class Health(http.server.BaseHTTPRequestHandler):
    protocol = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header(PROTOCOL_HEADER, self.protocol)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return None


@pytest.fixture
def server() -> Iterator[http.server.HTTPServer]:
    """A server without TLS yet."""
    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Health)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield found
    found.shutdown()
    found.server_close()


def sign(tls: Path, begins: datetime, ends: datetime, host: str) -> None:
    """Put another server certificate of the study's authority in place."""
    ca = x509.load_pem_x509_certificate((tls / "ca.crt").read_bytes())
    ca_key = serialization.load_pem_private_key((tls / "ca.key").read_bytes(), None)
    key = serialization.load_pem_private_key((tls / "server.key").read_bytes(), None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    certificate = (
        x509.CertificateBuilder(ca.subject, x509.Name([]), key.public_key(), 7, begins, ends)  # type: ignore[arg-type]
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    (tls / "server.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def seen_through(server: http.server.HTTPServer, tls: Path, ca: Path) -> str | None:
    """Give the server the certificate, and look at it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls / "server.crt", tls / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    route = Route(f"localhost:{server.server_port}", ca, tls / "none", "")
    return look(route)


@pytest.mark.parametrize(
    ("begins", "ends", "host", "said"),
    [
        (-2, 1, "localhost", None),
        (
            -2,
            -1,
            "localhost",
            r"certificate ended on \d{4}-.*coordinator runs `medfl-server renew`",
        ),
        (1, 2, "localhost", r"certificate begins on \d{4}-.*have this computer's clock set"),
        (-2, 1, "fl.example.org", r"certificate is not for localhost:\d+; check server.address"),
    ],
)
def test_each_certificate_has_its_sentence_with_who_must_act(
    begins: int,
    ends: int,
    host: str,
    said: str | None,
    server: http.server.HTTPServer,
    tmp_path: Path,
) -> None:
    create_authority(tmp_path, "small", "localhost")
    now = datetime.now(UTC)
    sign(tmp_path / "tls", now + begins * DAY, now + ends * DAY, host)

    seen = seen_through(server, tmp_path / "tls", tmp_path / "tls" / "ca.crt")

    assert (seen is None) == (said is None)
    assert re.search(said or "", seen or "")


def test_another_studys_authority_is_told_with_the_fingerprint_to_compare(
    server: http.server.HTTPServer, tmp_path: Path
) -> None:
    shown = create_authority(tmp_path / "other", "other", "localhost")
    create_authority(tmp_path / "ours", "ours", "localhost")

    seen = seen_through(server, tmp_path / "ours" / "tls", tmp_path / "other" / "tls" / "ca.crt")

    assert seen is not None
    assert "is not signed by" in seen
    assert shown in seen


def test_a_server_without_tls_and_one_of_another_protocol_are_named(
    server: http.server.HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_authority(tmp_path, "small", "localhost")
    ca = tmp_path / "tls" / "ca.crt"
    route = Route(f"localhost:{server.server_port}", ca, tmp_path / "none", "")

    assert "does not speak TLS" in (look(route) or "")

    monkeypatch.setattr(Health, "protocol", "99")
    seen = seen_through(server, tmp_path / "tls", ca) or ""
    assert "the coordinator speaks protocol 99, this site" in seen
