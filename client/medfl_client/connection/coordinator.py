"""The way to the coordinator: is it there, is it the right one, and do the clocks agree.

One sentence names each fault, what the site saw and who must act.
"""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from medfl_client.connection import clock
from medfl_client.connection.way import Route, connect
from medfl_common.errors import LinkError, system_reason
from medfl_common.ops.certificate import certificate_fingerprint
from medfl_common.wire.protocol import ENROLLED_HEADER, PROTOCOL, PROTOCOL_HEADER

AUTHORITY = "medfl "  # the names of the studies' authorities begin with this
# OpenSSL's X509_V_ERR numbers.
REDIRECTS = range(300, 400)
REDIRECTED = (
    "{address} sends this site on to another address; medfl follows nobody there. Ask the "
    "coordinator for the right address"
)
NOT_YET_VALID, HAS_EXPIRED, OTHER_NAME, OTHER_ADDRESS = 9, 10, 62, 64


@dataclass(frozen=True)
class Health:
    """The coordinator's answer to GET /health."""

    status: int
    protocol: str  # empty: it does not say
    ahead_s: float  # this computer's clock minus the coordinator's: so much at least, or 0
    ends: datetime  # of the coordinator's certificate
    enrolled: str | None = None  # name and fingerprint of who signed; empty: nobody it knows


def trust(ca: Path) -> ssl.SSLContext:
    """Trust the study's certificate authority and no other; raises LinkError if there is none."""
    try:
        context = ssl.create_default_context(cafile=str(ca))
    except (OSError, ssl.SSLError):
        raise LinkError(
            f"server.ca {ca.resolve()} is no certificate",
            todo="put the coordinator's ca.crt there",
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def ask_health(
    route: Route, context: ssl.SSLContext, sign: Callable[[], dict[str, str]] = dict
) -> Health:
    """Send GET /health; without `sign`, with nothing about the site. Raises as a connection."""
    host, port = route.host_and_port
    with connect(route) as plain, context.wrap_socket(plain, server_hostname=host) as line:
        facts = line.getpeercert() or {}
        connection = http.client.HTTPConnection(host, port)
        connection.sock = line
        before = time.time()
        connection.request("GET", "/health", headers=sign())
        answer = connection.getresponse()
        ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(facts["notAfter"])), UTC)
        return Health(
            answer.status,
            answer.headers.get(PROTOCOL_HEADER, ""),
            _ahead_s(answer.headers.get("date"), before, time.time()),
            ends,
            answer.headers.get(ENROLLED_HEADER),
        )


def _ahead_s(told: str | None, before: float, after: float) -> float:
    """Bound the difference of the clocks: the answer was made between `before` and `after`.

    A slow answer so makes no difference; what remains is this clock's.
    """
    if told is None:
        return 0.0
    try:
        there = parsedate_to_datetime(told).timestamp() + 0.5  # the header has whole seconds only
    except ValueError:
        return 0.0
    return max(before - there, min(after - there, 0.0))


def reach(route: Route, sign: Callable[[], dict[str, str]] = dict) -> Health:
    """Ask for the coordinator's health; raises LinkError with the reason if it cannot."""
    context = trust(route.ca)
    with explained(route):
        found = ask_health(route, context, sign)
        if not clock.is_accepted(found.ahead_s):  # a busy coordinator may have told an old time
            again = ask_health(route, context, sign)
            found = min(found, again, key=lambda health: abs(health.ahead_s))
        return found


@contextmanager
def explained(route: Route) -> Iterator[None]:
    """Turn what ends a connection into a LinkError with the reason, and who acts."""
    host, _ = route.host_and_port
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise _explain_certificate(error, route) from None
    except ssl.SSLError:
        raise LinkError(
            f"{route.address} does not speak TLS", todo="ask the coordinator for the right address"
        ) from None
    except (socket.gaierror, UnicodeError):
        raise LinkError(
            f"the name {host} is not known here",
            todo="check server.address and the DNS, or name the proxy that leads out "
            "(network.proxy in site.yaml)",
        ) from None
    except OSError as error:
        raise _unreachable(route, system_reason(error)) from None
    except http.client.HTTPException:
        raise _unreachable(route, "its answer is not HTTP") from None


def look(route: Route) -> str | None:
    """Return None if the coordinator is there and agrees on protocol and time, else the fault.

    The authority's certificate is read each time: it may be put right meanwhile.
    """
    try:
        found = reach(route)
    except LinkError as error:
        return str(error)
    if found.status in REDIRECTS:
        return REDIRECTED.format(address=route.address)
    if found.protocol and found.protocol != str(PROTOCOL):
        return (
            f"the coordinator speaks protocol {found.protocol}, this site {PROTOCOL}; both need "
            "the same version of medfl"
        )
    if found.status != http.client.OK:
        return f"{route.address} answers with status {found.status}, so the coordinator is not up"
    return explain_clock(found.ahead_s)


def explain_clock(ahead_s: float) -> str | None:
    """Say what is wrong with this computer's clock, or None if Flower accepts it."""
    if clock.is_accepted(ahead_s):
        return None
    return (
        f"this computer's clock is {clock.difference_in_words(ahead_s)}. Have this computer's "
        "clock set (NTP); if it is right, the coordinator's is wrong"
    )


def _unreachable(route: Route, why: str) -> LinkError:
    return LinkError(f"the coordinator at {route.address} cannot be reached ({why})")


def _explain_certificate(error: ssl.SSLCertVerificationError, route: Route) -> LinkError:
    text, now = error.verify_message, time.strftime("%Y-%m-%d %H:%M")
    seen = _certificate_shown(route)
    if seen is not None and error.verify_code == HAS_EXPIRED:
        return LinkError(
            f"the coordinator's certificate ended on {seen.not_valid_after_utc:%Y-%m-%d}, and this "
            f"computer's clock says {now}",
            todo="the coordinator runs `medfl-server renew`, or you set this clock",
            who="the coordinator",
        )
    if seen is not None and error.verify_code == NOT_YET_VALID:
        return LinkError(
            f"the coordinator's certificate begins on {seen.not_valid_before_utc:%Y-%m-%d %H:%M} "
            f"UTC, and this computer's clock says {now}",
            todo="have this computer's clock set (NTP)",
        )
    if error.verify_code in (OTHER_NAME, OTHER_ADDRESS):
        return LinkError(
            f"the coordinator's certificate is not for {route.address}", todo="check server.address"
        )
    issuer = "nobody" if seen is None else _common_name(seen.issuer)
    if not issuer.startswith(AUTHORITY):
        return LinkError(
            f"{route.address} shows a certificate of {issuer!r}, not of a medfl study: what "
            "inspects encrypted connections stands between",
            todo=f"your IT department must let connections to {route.address} pass without TLS "
            "inspection",
            who="your IT department",
        )
    return LinkError(
        f"the coordinator's certificate is not signed by {route.ca} ({text})",
        todo="ask the coordinator for the ca.crt of this study and compare its fingerprint by "
        f"telephone. That of the one here is {certificate_fingerprint(route.ca)}",
    )


def _certificate_shown(route: Route) -> x509.Certificate | None:
    """Fetch the certificate without trusting it, to say what is wrong with it."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    host, _ = route.host_and_port
    try:
        with connect(route) as plain, context.wrap_socket(plain, server_hostname=host) as line:
            return x509.load_der_x509_certificate(line.getpeercert(binary_form=True) or b"")
    except (OSError, ValueError, LinkError):
        return None


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else "nobody"
