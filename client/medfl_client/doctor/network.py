"""Checks of the way to the coordinator, step by step, until one of them fails."""

import http.client
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import cache, partial
from pathlib import Path

from medfl_client.config.folder import PRIVATE, SiteFolder, home_of
from medfl_client.config.site_file import SiteFile
from medfl_client.config.studies import network_of
from medfl_client.connection import clock
from medfl_client.connection.coordinator import REDIRECTS, Health, reach, trust
from medfl_client.connection.proxy import SETTING, Proxy, find_proxy, spared
from medfl_client.connection.study_key import in_words
from medfl_client.connection.way import Route, connect
from medfl_client.doctor.enrolment import check_enrolment, signed_headers, unknown
from medfl_common.errors import MedflError, system_reason
from medfl_common.ops.address import is_loopback
from medfl_common.ops.certificate import certificate_fingerprint, check_end, valid_until
from medfl_common.ops.checks import Check, Finding, examine, fail, not_checked, ok, warn
from medfl_common.wire.protocol import PROTOCOL


def network_checks(folder: Path, site: SiteFile) -> list[Finding]:
    """Follow the way to the coordinator until something stops, and ask whether it knows us."""
    if site.server is None:
        return examine({"coordinator": partial(_no_server, folder)})
    health = cache(partial(health_of, folder, site, site.server.address))
    found = way_checks(folder, site, health)
    is_there = found[-1].check == "clock" and found[-1].state != "fail"
    enrolled = partial(check_enrolment, folder, health().enrolled) if is_there else unknown
    return [*found, *examine({"enrolment": enrolled})]


def way_checks(
    folder: Path, site: SiteFile, health: Callable[[], Health] | None = None
) -> list[Finding]:
    """Follow the way to the coordinator until something stops."""
    if site.server is None:
        return examine({"coordinator": partial(_no_server, folder)})
    address, ca = site.server.address, folder / site.server.ca
    answer = health or cache(partial(health_of, folder, site, address))
    route = cache(partial(route_to, folder, site, address))
    steps: dict[str, Check] = {
        "coordinator's ca.crt": partial(check_authority, ca),
        "study key": lambda: ok(in_words(ca, SiteFolder(folder).state)),
        "proxy settings": lambda: check_proxy(route()),
        "coordinator's name": lambda: check_name(route()),
        "connection": lambda: check_port(route()),
        "encryption (TLS)": lambda: check_tls(answer()),
        "certificate": lambda: check_certificate(answer().ends),
        "coordinator": lambda: check_health(answer()),
        "clock": lambda: check_clock(answer().ahead_s),
    }
    return _until_failed(steps)


def route_to(folder: Path, site: SiteFile, address: str) -> Route:
    """Give the way from here to the coordinator, through the proxy where there is one."""
    ca = folder / (site.server.ca if site.server is not None else "")
    proxy = find_proxy(*network_of(folder, site), os.environ, address)
    return Route(address, ca, home_of(folder) / PRIVATE, "", proxy)


def health_of(folder: Path, site: SiteFile, address: str) -> Health:
    """Ask the coordinator, by a signed request; raises LinkError where it cannot be asked."""
    return reach(route_to(folder, site, address), partial(signed_headers, folder))


def proxy_names(folder: Path, site: SiteFile) -> dict[str, str]:
    """List the names of the hospital's proxy, each with the role that replaces it."""
    with suppress(MedflError):
        way = network_of(folder, site)
        proxy = site.server and find_proxy(*way, os.environ, site.server.address)
        if proxy:
            secret = {proxy.password_file: "password file"} if proxy.password_file else {}
            return {proxy.shown: "proxy", proxy.host: "proxy", **secret}
    return {}


def _until_failed(steps: dict[str, Check]) -> list[Finding]:
    """Make checks in their order; each needs the one before."""
    found: list[Finding] = []
    for name, check in steps.items():
        found += examine({name: check})
        if found[-1].state == "fail":
            left = [*steps][len(found) :]
            if left:
                found += examine({"beyond that": lambda: not_checked(", ".join(left))})  # noqa: B023
            break
    return found


def check_authority(ca: Path) -> Finding:
    """Read the study's certificate authority; it is what this site trusts."""
    trust(ca)
    todo = "make a new study with a new authority before then, and send its ca.crt"
    found = check_end(valid_until(ca), todo, "the coordinator")
    shown = f"{found.seen}; compare by telephone: {certificate_fingerprint(ca)}"
    return Finding("", found.state, shown, found.todo, found.who)


def check_proxy(route: Route) -> Finding:
    """Say which proxy leads to the coordinator, and where it is named."""
    host, port = route.host_and_port
    if route.proxy is not None:
        return _proxy_used(route.proxy)
    if is_loopback(host):
        return ok("none; the coordinator is this machine")
    if entry := spared(os.environ, host, port):
        return ok(f"none; the connection is direct (NO_PROXY has {entry})")
    return ok("none; the connection is direct")


def _proxy_used(proxy: Proxy) -> Finding:
    login = ", with a login" if proxy.login() else ""
    shown = f"through {proxy.shown}{login}; it is named by {proxy.source}"
    secret = Path(proxy.password_file)
    if proxy.password_file and secret.stat().st_mode & 0o077:
        return warn(
            f"{shown}; other users of this machine can read its password",
            f"chmod 600 {secret}; if others may have read it, have the password changed",
        )
    return ok(shown)


def check_name(route: Route) -> Finding:
    """Look the coordinator's name up, or leave that to the proxy."""
    host, port = route.host_and_port
    if route.proxy is not None:
        return ok(f"the proxy looks {host} up")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        return fail(
            f"the name {host} is unknown here",
            "compare server.address in site.yaml with the coordinator's; if it is right, ask IT "
            f"for the name in the hospital's DNS, or for the proxy ({SETTING} in site.yaml)",
        )
    return ok(f"{host} is {', '.join(dict.fromkeys(str(entry[4][0]) for entry in found))}")


def check_port(route: Route) -> Finding:
    """Open a connection and close it."""
    host, port = route.host_and_port
    started = time.monotonic()
    try:
        with connect(route):
            by = f" through {route.proxy.shown}" if route.proxy else ""
            return ok(f"open{by} after {(time.monotonic() - started) * 1000:.0f} ms")
    except ConnectionRefusedError:
        return fail(
            f"the machine {host} answers, but nothing listens on port {port}",
            "start medfl-server run on that port, or name the right one",
            "the coordinator",
        )
    except OSError as error:
        return fail(
            f"{route.address} does not answer ({system_reason(error)})",
            f"allow this machine to open TCP connections out to {route.address}, or name the "
            f"proxy that may ({SETTING} in site.yaml)",
            "your IT department",
        )


def check_tls(health: Health) -> Finding:
    """Ask over TLS with the study's authority and no other; its errors say who and what."""
    return ok("the coordinator has a certificate of this study's authority")


def check_certificate(ends: datetime) -> Finding:
    """Say how long the coordinator's certificate is still valid."""
    todo = "run medfl-server renew, then start medfl-server run again"
    return check_end(ends, todo, "the coordinator")


def check_health(health: Health) -> Finding:
    """Say whether a medfl-server of the same protocol answers."""
    if health.status in REDIRECTS:
        return fail(
            "it sends this site on to another address, and medfl follows nobody there",
            "tell the right address, or let what stands before medfl-server pass TCP through",
            "the coordinator",
        )
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


def _no_server(folder: Path) -> Finding:
    return fail(
        "site.yaml names no server",
        f"run medfl-client init {folder} --server HOST:PORT --ca ca.crt, both from the coordinator",
    )
