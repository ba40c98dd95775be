"""The hospital's HTTP proxy: which one, for which hosts, and the tunnel through it.

One rule for `run`, `doctor` and Flower's SuperNode: `network.proxy` of site.yaml, else the usual
variables. What stays on this machine never goes through a proxy.
"""

import base64
import ipaddress
import re
import socket
import time
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from socket import create_connection
from urllib.parse import SplitResult, unquote, urlsplit

from medfl_client.config.site_file import Network
from medfl_common.errors import LinkError, Who, system_reason
from medfl_common.ops.address import bare, is_loopback, joined, split

DIRECT = "none"  # in network.proxy.url: no proxy, whatever the variables say
SETTING = "network.proxy"
KINDS = ("https", "all")  # the variables that count for a TLS connection, the first one first
HEADER_BYTES = 65_536  # of a proxy's answer
DONE, NEEDS_LOGIN = range(200, 300), 407
AWAY = (502, 503, 504)  # the proxy is fine, and did not reach the coordinator


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy that tunnels with CONNECT."""

    host: str
    port: int
    source: str  # where it is named, for messages
    user: str = ""
    password: str = field(default="", repr=False)  # of a variable
    password_file: str = ""  # of site.yaml; it is read at each connection

    @property
    def shown(self) -> str:
        """Name it without user and password."""
        return f"http://{joined(self.host, self.port)}"

    def login(self) -> str:
        """Give the value of Proxy-Authorization; empty: there is none."""
        if not self.user:
            return ""
        password = self.password
        if self.password_file:
            try:
                password = Path(self.password_file).read_text(encoding="utf-8").strip("\r\n")
            except (OSError, UnicodeDecodeError):
                raise LinkError(
                    f"{SETTING}.password_file {self.password_file} cannot be read",
                    todo="put the proxy's password there, as the only line of the file",
                ) from None
        return "Basic " + base64.b64encode(f"{self.user}:{password}".encode()).decode()


def find_proxy(
    network: Network, folder: Path, environment: Mapping[str, str], address: str
) -> Proxy | None:
    """Say which proxy leads to an address; None: the connection is direct.

    Raises LinkError where one is named that medfl cannot use.
    """
    host, port = split(address)
    if is_loopback(host):
        return None
    named = network.proxy
    if named is not None and named.url == DIRECT:
        return None
    if named is not None:
        secret = str((folder / named.password_file).resolve()) if named.password_file else ""
        found = _proxy(named.url, SETTING)
        return Proxy(found.host, found.port, SETTING, named.user, password_file=secret)
    if spared(environment, host, port):
        return None
    url, source = _variable(environment)
    return _proxy(url, source) if url else None


def spared(environment: Mapping[str, str], host: str, port: int) -> str:
    """Give the entry of NO_PROXY and no_proxy, joined, that spares a host; empty: none does."""
    both = ",".join(v for name, v in sorted(environment.items()) if name.lower() == "no_proxy")
    entries = filter(None, re.split(r"[,;\s]+", both))
    return next((entry for entry in entries if _covers(entry, bare(host), port)), "")


def forget_proxies(environment: MutableMapping[str, str]) -> None:
    """Hide the proxies from all libraries of this process and its children.

    medfl has read them; what libraries reach is on this machine, and some fail on an entry.
    """
    for name in [name for name in environment if name.lower().endswith("_proxy")]:
        del environment[name]
    environment["NO_PROXY"] = environment["no_proxy"] = "*"


def tunnel(proxy: Proxy, host: str, port: int, timeout_s: float) -> socket.socket:
    """Connect through a proxy; raises LinkError that says whose fault it is if it cannot."""
    login = proxy.login()
    try:
        line = create_connection((proxy.host, proxy.port), timeout_s)
    except (socket.gaierror, UnicodeError):
        raise _trouble(
            proxy, f"the name of the proxy {proxy.shown} is not known here", "the proxy's name"
        ) from None
    except OSError as error:
        raise _trouble(
            proxy,
            f"the proxy {proxy.shown} cannot be reached ({system_reason(error)})",
            "that the proxy runs there and this machine may reach it",
        ) from None
    try:
        status, offered = _connect(line, joined(host, port), login, timeout_s)
    except (OSError, ValueError):
        line.close()
        raise _trouble(
            proxy,
            f"{proxy.shown} does not answer as an HTTP proxy does",
            "that an HTTP proxy listens there",
        ) from None
    if status in DONE:
        return line
    line.close()
    raise _refusal(proxy, joined(host, port), status, offered, bool(login))


def _connect(
    line: socket.socket, address: str, login: str, timeout_s: float
) -> tuple[int, list[str]]:
    """Ask for a tunnel; give the status, and the kinds of login that the proxy offers."""
    more = f"Proxy-Authorization: {login}\r\n" if login else ""
    line.sendall(f"CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n{more}\r\n".encode())
    ends, text = time.monotonic() + timeout_s, b""
    while b"\r\n\r\n" not in text:
        line.settimeout(max(ends - time.monotonic(), 0.001))
        part = line.recv(4096)
        text += part
        if not part or len(text) > HEADER_BYTES:
            raise ValueError("no answer")
    first, *headers = text.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    found = re.match(r"HTTP/\d\.\d (\d{3})", first)
    if found is None:
        raise ValueError("no HTTP")
    fields = [header.partition(":") for header in headers]
    kinds = [v.split()[0] for k, _, v in fields if k.lower() == "proxy-authenticate" and v.split()]
    line.settimeout(timeout_s)
    return int(found[1]), kinds


def _refusal(
    proxy: Proxy, address: str, status: int, offered: list[str], has_login: bool
) -> LinkError:
    if status == NEEDS_LOGIN:
        return _login_refusal(proxy, offered, has_login)
    if status in AWAY:
        return LinkError(
            f"the proxy {proxy.shown} works, and does not reach the coordinator at {address} "
            f"({status})",
            todo="say whether medfl-server run is up; if it is, IT must let the proxy reach it",
            who="the coordinator",
        )
    return LinkError(
        f"the proxy {proxy.shown} refuses a connection to {address} ({status})",
        todo=f"let the proxy pass CONNECT to {address}",
        who="your IT department",
    )


def _login_refusal(proxy: Proxy, offered: list[str], has_login: bool) -> LinkError:
    if offered and "basic" not in map(str.lower, offered):
        return LinkError(
            f"the proxy {proxy.shown} accepts logins of the kind {', '.join(offered)} only; medfl "
            "knows Basic",
            todo="let this machine through without a login, or run a helper such as cntlm here",
            who="your IT department",
        )
    where = f"{SETTING}.user and {SETTING}.password_file in site.yaml"
    if has_login:
        return LinkError(
            f"the proxy {proxy.shown} refuses the user name and password (407)",
            todo=f"correct {where if proxy.source == SETTING else proxy.source}",
        )
    return LinkError(f"the proxy {proxy.shown} asks for a login (407)", todo=f"set {where}")


def _trouble(proxy: Proxy, what: str, look_at: str) -> LinkError:
    who: Who = "your IT department"
    return LinkError(what, todo=f"check {look_at}; it is named by {proxy.source}", who=who)


def _variable(environment: Mapping[str, str]) -> tuple[str, str]:
    """Give the proxy that the variables name, and the variable; small letters go first."""
    for kind in KINDS:
        spelled = sorted((n for n in environment if n.lower() == f"{kind}_proxy"), reverse=True)
        url = environment[spelled[0]].strip() if spelled else ""
        if url:  # small letters stand behind capitals; empty, they take the capitals back
            return url, spelled[0]
    return "", ""


def _proxy(url: str, source: str) -> Proxy:
    """Read a proxy's address; raises LinkError where it is none that medfl can use."""
    parts = _parsed(url if "://" in url else f"http://{url}")
    if parts is None or not parts.hostname:
        raise LinkError(
            f"{source} names no proxy that can be understood",
            todo=f"write it as http://HOST:PORT, or leave it out ({SETTING}.url: {DIRECT})",
        )
    if parts.scheme.lower() != "http":
        raise LinkError(
            f"{source} names a proxy of the kind {parts.scheme.lower()}; medfl goes through HTTP "
            "proxies (CONNECT) only",
            todo=f"set {SETTING}.url in site.yaml to http://HOST:PORT, or to {DIRECT} for a direct "
            "connection",
        )
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if source == SETTING and (user or password):
        raise LinkError(
            f"{SETTING}.url holds a user or a password",
            todo=f"put them into {SETTING}.user and {SETTING}.password_file",
        )
    return Proxy(parts.hostname, parts.port or 80, source, user, password)


def _parsed(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return None
    return parts


def _covers(entry: str, host: str, port: int) -> bool:
    """Say whether one entry of NO_PROXY covers a host; what is no such entry covers none."""
    if entry == "*":
        return True
    name, entry_port = _without_port(entry.rpartition("://")[2])
    if entry_port not in ("", str(port)):
        return False
    name = name.replace("[", "").replace("]", "").lower()
    with suppress(ValueError):
        return _address(host) in ipaddress.ip_network(name, strict=False)
    name, own = name.rstrip("."), host.lower().rstrip(".")
    if "*" in name.removeprefix("*"):
        return fnmatchcase(own, name)
    suffix = name.removeprefix("*").removeprefix(".")
    return bool(suffix) and (own == suffix or own.endswith(f".{suffix}"))


def _without_port(entry: str) -> tuple[str, str]:
    """Split an entry into host and port; an IPv6 address without brackets has no port."""
    found = re.fullmatch(r"(\[[^\]]*\](?:/\d+)?|[^:]*):(\d+)", entry)
    return (found[1], found[2]) if found else (entry, "")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Read an address; one of IPv4 inside IPv6 is the IPv4 one. Raises ValueError for a name."""
    found = ipaddress.ip_address(host)
    inside = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return inside or found
