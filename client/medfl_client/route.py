"""The way to the coordinator: is it there, is it the right one, and do the clocks agree.

Whatever is wrong is one sentence that says what was seen and who must act.
"""

import email.utils
import http.client
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from medfl_common.errors import LinkError

CONNECT_S = 10.0  # for one attempt to reach the coordinator
# Flower takes a request that was signed less than 5 s in its future and 305 s in its past; the Date
# header knows whole seconds only.
MAX_AHEAD_S, MAX_BEHIND_S = 4.5, 300.0


@dataclass(frozen=True)
class Route:
    """Where the coordinator is, and by what each side knows the other."""

    address: str  # host:port
    ca: Path
    key: Path  # identity key of this site
    enrolment_lines: str  # what to send to the coordinator, for messages

    @property
    def host_and_port(self) -> tuple[str, int]:
        """Split the address."""
        host, port = self.address.rsplit(":", 1)
        return host, int(port)


def trust(route: Route) -> ssl.SSLContext:
    """Trust the study's certificate authority and no other; raises LinkError if there is none."""
    try:
        context = ssl.create_default_context(cafile=str(route.ca))
    except (OSError, ssl.SSLError):
        raise LinkError(
            f"server.ca {route.ca.resolve()} is no certificate; put the coordinator's ca.crt there"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def look(route: Route, context: ssl.SSLContext) -> str | None:
    """Ask for the coordinator's health; give None, or in one sentence why that cannot be."""
    host, port = route.host_and_port
    try:
        ahead_s = _clock_ahead(host, port, context)
    except ssl.SSLCertVerificationError as error:
        return _explain_certificate(error, route)
    except ssl.SSLError:
        return f"{route.address} does not speak TLS; ask the coordinator for the right address"
    except socket.gaierror:
        return f"the name {host} is not known here; check server.address and the DNS"
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return f"the coordinator at {route.address} cannot be reached ({why})"
    return None if ahead_s is None else explain_clock(ahead_s)


def clock_ahead(route: Route, context: ssl.SSLContext) -> float | None:
    """Measure by how many seconds this computer's clock is ahead of the coordinator's, +- 0.5.

    None where the coordinator does not tell the time; raises what a connection raises.
    """
    return _clock_ahead(*route.host_and_port, context)


def explain_clock(ahead_s: float) -> str | None:
    """Say what is wrong with this computer's clock, or None where Flower accepts it."""
    if -MAX_BEHIND_S <= ahead_s <= MAX_AHEAD_S:
        return None
    way = "ahead of" if ahead_s > 0 else "behind"
    return (
        f"this computer's clock is {abs(ahead_s):.0f} s {way} the coordinator's; 5 s ahead or 5 "
        "min behind is too much. Have this computer's clock set (NTP); if it is right, the "
        "coordinator's is wrong"
    )


def _clock_ahead(host: str, port: int, context: ssl.SSLContext) -> float | None:
    connection = http.client.HTTPSConnection(host, port, timeout=CONNECT_S, context=context)
    try:
        connection.request("GET", "/health")
        told = connection.getresponse().getheader("date")
    finally:
        connection.close()
    when = email.utils.parsedate_to_datetime(told) if told else None
    return None if when is None else time.time() - (when.timestamp() + 0.5)


def _explain_certificate(error: ssl.SSLCertVerificationError, route: Route) -> str:
    text, today = error.verify_message, time.strftime("%Y-%m-%d %H:%M")
    seen = _certificate_shown(route)
    if "expired" in text and seen is not None:
        return (
            f"the coordinator's certificate ended on {seen.not_valid_after_utc:%Y-%m-%d}, and this "
            f"computer's clock says {today}; the coordinator runs `medfl-server renew`, or this "
            "clock must be set"
        )
    if "not yet valid" in text and seen is not None:
        return (
            f"the coordinator's certificate begins on {seen.not_valid_before_utc:%Y-%m-%d %H:%M} "
            f"UTC, and this computer's clock says {today}; have this computer's clock set (NTP)"
        )
    if "ostname" in text or "IP address" in text:
        return f"the coordinator's certificate is not for {route.address}; check server.address"
    shown = f" It shows one of {seen.issuer.rfc4514_string()}." if seen is not None else ""
    return (
        f"the coordinator's certificate is not signed by {route.ca}, which is "
        f"{_fingerprint(route.ca)} ({text}).{shown} Ask the coordinator for the ca.crt of this "
        "study, and compare the fingerprint; a proxy that opens TLS cannot be in between"
    )


def _certificate_shown(route: Route) -> x509.Certificate | None:
    """Fetch the certificate without trusting it, to say what is wrong with it."""
    try:
        pem = ssl.get_server_certificate(route.host_and_port, timeout=CONNECT_S)
        return x509.load_pem_x509_certificate(pem.encode())
    except (OSError, ValueError):
        return None


def _fingerprint(path: Path) -> str:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()
