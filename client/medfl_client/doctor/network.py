"""Checks of the way to the coordinator, step by step, until one of them fails."""

import http.client
import os
import socket
import ssl
import time
import urllib.request
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path

from medfl_client.config.folder import PRIVATE
from medfl_client.config.site_file import SiteFile
from medfl_client.connection import clock
from medfl_client.connection.coordinator import (
    CONNECT_S,
    Health,
    Route,
    ask_health,
    reach,
    trust,
)
from medfl_common.errors import system_reason
from medfl_common.ops.certificate import certificate_fingerprint, check_end, valid_until
from medfl_common.ops.checks import Check, Finding, examine, fail, not_checked, ok, warn
from medfl_common.wire.protocol import PROTOCOL


def network_checks(folder: Path, site: SiteFile) -> list[Finding]:
    """Follow the way to the coordinator until something stops."""
    if site.server is None:
        return examine({"coordinator": partial(_no_server, folder)})
    route = Route(site.server.address, folder / site.server.ca, folder / PRIVATE, "")
    host = route.address.rsplit(":", 1)[0]
    health = cache(lambda: ask_health(route, trust(route)))
    steps: dict[str, Check] = {
        "coordinator's ca.crt": partial(check_authority, route),
        "proxy settings": partial(check_proxy, host, urllib.request.getproxies()),
        "coordinator's name": partial(check_name, route),
        "connection": partial(check_port, route),
        "encryption (TLS)": partial(check_tls, route),
        "certificate": partial(check_certificate, route),
        "coordinator": lambda: check_health(health()),
        "clock": lambda: check_clock(health().ahead_s),
    }
    return [*_until_failed(steps), *examine({"enrolment": _enrolment})]


def _until_failed(steps: dict[str, Check]) -> list[Finding]:
    """Make checks in their order; the proxy settings apart, each needs the one before."""
    found: list[Finding] = []
    for name, check in steps.items():
        found += examine({name: check})
        if found[-1].state == "fail" and name != "proxy settings":
            left = [*steps][len(found) :]
            if left:
                found += examine({"beyond that": lambda: not_checked(", ".join(left))})  # noqa: B023
            break
    return found


def check_authority(route: Route) -> Finding:
    """Read the study's certificate authority; it is what this site trusts."""
    trust(route)
    todo = "make a new study with a new authority before then, and send its ca.crt"
    found = check_end(valid_until(route.ca), todo, "the coordinator")
    shown = f"{found.seen}; compare by telephone: {certificate_fingerprint(route.ca)}"
    return Finding("", found.state, shown, found.todo, found.who)


def check_proxy(host: str, proxies: dict[str, str]) -> Finding:
    """Say what proxy variables mean: Flower follows them on its way to the coordinator."""
    used = {kind: url for kind, url in proxies.items() if kind in ("http", "https", "all")}
    if not used:
        return ok("none; the connection is direct")
    shown = ", ".join(f"{kind}_proxy {_without_password(url)}" for kind, url in used.items())
    wanted = f"set NO_PROXY={host} for medfl-client"
    if not urllib.request.proxy_bypass(host) and used.keys() & {"https", "all"}:
        return warn(
            f"{shown}; Flower connects through it, medfl's own check connects directly",
            f"{wanted}; if only the proxy may go out, allow this machine {host} directly",
            "your IT department",
        )
    return ok(f"{shown}; not used for {host} (NO_PROXY {os.environ.get('NO_PROXY', '')})")


def check_name(route: Route) -> Finding:
    """Look the coordinator's name up."""
    host, port = route.address.rsplit(":", 1)
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except socket.gaierror:
        return fail(
            f"the name {host} is unknown here",
            "compare server.address in site.yaml with the coordinator's; if it is right, ask IT "
            "for the name in the hospital's DNS",
        )
    return ok(f"{host} is {', '.join(dict.fromkeys(str(entry[4][0]) for entry in found))}")


def check_port(route: Route) -> Finding:
    """Open a connection and close it."""
    host, port = route.address.rsplit(":", 1)
    started = time.monotonic()
    try:
        with socket.create_connection((host, int(port)), timeout=CONNECT_S):
            return ok(f"open after {(time.monotonic() - started) * 1000:.0f} ms")
    except ConnectionRefusedError:
        return fail(
            f"the machine {host} answers, but nothing listens on port {port}",
            "start medfl-server run on that port, or name the right one",
            "the coordinator",
        )
    except OSError as error:
        return fail(
            f"{route.address} does not answer ({system_reason(error)})",
            f"allow this machine to open TCP connections out to {route.address}",
            "your IT department",
        )


def check_tls(route: Route) -> Finding:
    """Ask over TLS with the study's authority and no other."""
    reach(route, trust(route))  # its errors say who and what
    return ok("the coordinator has a certificate of this study's authority")


def check_certificate(route: Route) -> Finding:
    """Say how long the coordinator's certificate is still valid."""
    host, port = route.address.rsplit(":", 1)
    with (
        socket.create_connection((host, int(port)), timeout=CONNECT_S) as plain,
        trust(route).wrap_socket(plain, server_hostname=host) as encrypted,
    ):
        facts = encrypted.getpeercert() or {}
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(facts["notAfter"])), UTC)
    todo = "run medfl-server renew, then start medfl-server run again"
    return check_end(ends, todo, "the coordinator")


def check_health(health: Health) -> Finding:
    """Say whether a medfl-server of the same protocol answers."""
    if health.status != http.client.OK:
        return fail(
            f"it answers GET /health with {health.status}",
            "look whether medfl-server run is what listens there",
            "the coordinator",
        )
    if not health.protocol:
        return warn(
            f"it runs, but does not report its protocol; this site speaks {PROTOCOL}",
            "ask which version of medfl it has; both need the same",
        )
    if health.protocol != str(PROTOCOL):
        return fail(
            f"the coordinator speaks protocol {health.protocol}, this site {PROTOCOL}",
            "agree on one version of medfl with the coordinator, and install it at both ends",
        )
    return ok(f"it runs, and speaks protocol {PROTOCOL} as this site does")


def check_clock(ahead_s: float) -> Finding:
    """Compare this clock with the coordinator's: it refuses requests signed at a wrong time."""
    seen = clock.difference_in_words(ahead_s)
    todo = "switch time synchronisation (NTP) on here; if this clock is right, tell the coordinator"
    if not clock.is_accepted(ahead_s):
        return fail(seen, todo, "your IT department")
    if clock.is_close_to_limit(ahead_s):
        return warn(seen, todo, "your IT department")
    return ok(seen)


def _enrolment() -> Finding:
    return not_checked(
        "whether the coordinator knows this site's keys",
        "start medfl-client run; it reports this within seconds",
        "you",
    )


def _no_server(folder: Path) -> Finding:
    return fail(
        "site.yaml names no server",
        f"run medfl-client init {folder} --server HOST:PORT --ca ca.crt, both from the coordinator",
    )


def _without_password(url: str) -> str:
    scheme, separator, rest = url.rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]
