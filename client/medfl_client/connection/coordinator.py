"""The way to the coordinator: is it there, is it the right one, and do the clocks agree.

One sentence names each fault, what the site saw and who must act.
"""

import http.client
import socket
import ssl
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from medfl_client.connection import clock
from medfl_common.errors import LinkError, system_reason
from medfl_common.ops.certificate import certificate_fingerprint
from medfl_common.wire.protocol import PROTOCOL, PROTOCOL_HEADER

AUTHORITY = "medfl "  # the names of the studies' authorities begin with this
# OpenSSL's X509_V_ERR numbers.
NOT_YET_VALID, HAS_EXPIRED, OTHER_NAME, OTHER_ADDRESS = 9, 10, 62, 64
CONNECT_S = 10.0  # for one attempt to reach the coordinator


@dataclass(frozen=True)
class Route:
    """Where the coordinator is, and how each side identifies the other."""

    address: str  # host:port
    ca: Path
    key: Path  # identity key of this site
    enrolment_lines: str  # the lines that the coordinator needs, for messages

    @property
    def host_and_port(self) -> tuple[str, int]:
        """Split the address."""
        host, port = self.address.rsplit(":", 1)
        return host, int(port)


@dataclass(frozen=True)
class Health:
    """The coordinator's answer to GET /health."""

    status: int
    protocol: str  # empty: it does not say
    ahead_s: float  # this computer's clock minus the coordinator's, give or take half a second


def trust(route: Route) -> ssl.SSLContext:
    """Trust the study's certificate authority and no other; raises LinkError if there is none."""
    try:
        context = ssl.create_default_context(cafile=str(route.ca))
    except (OSError, ssl.SSLError):
        raise LinkError(
            f"server.ca {route.ca.resolve()} is no certificate",
            todo="put the coordinator's ca.crt there",
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def ask_health(route: Route, context: ssl.SSLContext) -> Health:
    """Send GET /health, with nothing about the site. Raises what a connection raises."""
    host, port = route.host_and_port
    connection = http.client.HTTPSConnection(host, port, timeout=CONNECT_S, context=context)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        told = answer.headers.get("date")
        # The header has whole seconds, so on average half a second has passed since.
        there = parsedate_to_datetime(told).timestamp() + 0.5 if told else time.time()
        return Health(answer.status, answer.headers.get(PROTOCOL_HEADER, ""), time.time() - there)
    finally:
        connection.close()


def reach(route: Route, context: ssl.SSLContext) -> Health:
    """Ask for the coordinator's health; raises LinkError with the reason if it cannot."""
    host, _ = route.host_and_port
    try:
        return ask_health(route, context)
    except ssl.SSLCertVerificationError as error:
        raise _explain_certificate(error, route) from None
    except ssl.SSLError:
        raise LinkError(
            f"{route.address} does not speak TLS", todo="ask the coordinator for the right address"
        ) from None
    except socket.gaierror:
        raise LinkError(
            f"the name {host} is not known here", todo="check server.address and the DNS"
        ) from None
    except OSError as error:
        raise _unreachable(route, system_reason(error)) from None
    except http.client.HTTPException:
        raise _unreachable(route, "its answer is not HTTP") from None


def look(route: Route, context: ssl.SSLContext) -> str | None:
    """Return None if the coordinator is there and agrees on protocol and time, else the fault."""
    try:
        found = reach(route, context)
    except LinkError as error:
        return str(error)
    if found.protocol and found.protocol != str(PROTOCOL):
        return (
            f"the coordinator speaks protocol {found.protocol}, this site {PROTOCOL}; both need "
            "the same version of medfl"
        )
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
    try:
        pem = ssl.get_server_certificate(route.host_and_port, timeout=CONNECT_S)
        return x509.load_pem_x509_certificate(pem.encode())
    except (OSError, ValueError):
        return None


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else "nobody"
