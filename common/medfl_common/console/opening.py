"""Opens a console: on loopback, or on another address by TLS and under names that were given."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medfl_common.console import links
from medfl_common.console.app import Console
from medfl_common.console.folder import ConsoleFolder
from medfl_common.console.proxy import Proxy
from medfl_common.console.serve import Certificate, serve
from medfl_common.console.users import Users
from medfl_common.errors import ConfigError
from medfl_common.files import holder, locked
from medfl_common.ops.address import bare, is_loopback, joined
from medfl_common.ops.user import user_name
from medfl_common.ui.screen import Screen
from medfl_common.visible import visible

PORT = 8420
NAME = re.compile(r"[a-z0-9._-]+|[0-9a-f:]+:[0-9a-f:.]*")
NOTHING_OPENED = "the console was not opened"


@dataclass(frozen=True)
class Wanted:
    """What a person asked for.

    Args:
        bind: The address to listen on.
        port: Its port; 0: a free one.
        hosts: Names, by which browsers ask for it, besides those of loopback.
        certificate: For TLS, with its chain.
        key: The certificate's.
        trust_header: In which a proxy says whom it has signed in; empty: there is none.
        trust_from: Addresses of the proxy.
    """

    bind: str = "127.0.0.1"
    port: int = PORT
    hosts: Sequence[str] = ()
    certificate: Path | None = None
    key: Path | None = None
    trust_header: str = ""
    trust_from: Sequence[str] = ("127.0.0.1",)


def open_console(
    console: Console,
    wanted: Wanted,
    folder: ConsoleFolder,
    roles: Sequence[str],
    screen: Screen,
    own: Certificate | None = None,
) -> None:
    """Answer until Ctrl-C, and say how people come in; raises ConfigError or LinkError.

    The console takes its cookie, users, proxy and links from here.

    Args:
        console: What answers.
        wanted: Where.
        folder: What it keeps.
        roles: All of the console; each gets a link.
        screen: Says where it is.
        own: The certificate of the study's own authority, where there is one.
    """
    certificate, proxy = _certificate(wanted, own), _proxy(wanted)
    hosts = _hosts(wanted)
    console.is_tls = certificate is not None or proxy is not None
    console.users, console.proxy = Users(folder.users, roles), proxy
    console.users.prepare()
    console.doors.mark_of, console.doors.asked = console.users.mark_of, folder.links
    folder.running.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.running.chmod(0o700)

    def ready(port: int) -> None:
        console.cookie = f"medfl_{port}"
        address = _address(wanted, certificate is not None, proxy is not None, port)
        links.begin(folder.links, address)
        _tell(console, address, roles, screen)

    with locked(folder.running, todo="use --link, or stop that console first"):
        try:
            serve(console.app(hosts), wanted.bind, wanted.port, ready, certificate)
        finally:
            folder.links.unlink(missing_ok=True)


def ask_link(folder: ConsoleFolder, who: str, role: str, roles: Sequence[str]) -> str:
    """Have the console that runs here let one person in once, as this; give the link."""
    from medfl_common.console.users import checked_name

    if role not in roles:
        raise ConfigError(f"there is no role {role!r}", todo=f"take one of: {', '.join(roles)}")
    return links.ask(folder.links, checked_name(who), role)


def is_open(folder: ConsoleFolder) -> bool:
    """Say whether a console runs here."""
    return folder.running.is_dir() and bool(holder(folder.running))


def _certificate(wanted: Wanted, own: Certificate | None) -> Certificate | None:
    if bool(wanted.certificate) != bool(wanted.key):
        raise ConfigError(
            "a certificate needs its key, and a key its certificate",
            todo="give both --cert and --key", data=NOTHING_OPENED,
        )  # fmt: skip
    if wanted.certificate and wanted.key:
        return Certificate(wanted.certificate, wanted.key)
    if is_loopback(bare(wanted.bind)):
        return None
    if own is None:
        raise ConfigError(
            f"a console on {wanted.bind} can be reached from other machines, and needs TLS",
            todo="give --cert and --key, or leave --bind out: then it is for this machine alone",
            data=NOTHING_OPENED,
        )
    return own


def _hosts(wanted: Wanted) -> list[str]:
    """List the names it answers to; each other one could be a foreign page's."""
    named = [bare(host).lower() for host in wanted.hosts]
    for host in named:
        if not NAME.fullmatch(host):
            raise ConfigError(
                f"--host {visible(host)} is no name", todo="give a name or an address, no port",
                data=NOTHING_OPENED,
            )  # fmt: skip
    if wanted.trust_header and not named:
        raise ConfigError(
            "a console behind a proxy answers to the name that browsers ask for",
            todo="give it with --host", data=NOTHING_OPENED,
        )  # fmt: skip
    if is_loopback(bare(wanted.bind)):
        return ["127.0.0.1", "localhost", "::1", *named]
    if not named:
        raise ConfigError(
            f"a console on {wanted.bind} answers only to names that it is given",
            todo="give each name that browsers ask for with --host", data=NOTHING_OPENED,
        )  # fmt: skip
    return named


def _proxy(wanted: Wanted) -> Proxy | None:
    if not wanted.trust_header:
        return None
    foreign = [address for address in wanted.trust_from if not is_loopback(bare(address))]
    if foreign or not wanted.trust_from or not is_loopback(bare(wanted.bind)):
        raise ConfigError(
            "a header with a name is believed from a proxy on this machine alone "
            f"(--trust-from {', '.join(foreign) or '127.0.0.1'}, --bind {wanted.bind})",
            todo="leave --bind out, and let the proxy ask 127.0.0.1", data=NOTHING_OPENED,
        )  # fmt: skip
    trusted = [
        address
        for given in map(bare, wanted.trust_from)
        for address in (("127.0.0.1", "::1") if "localhost" in given else (given,))
    ]
    return Proxy(wanted.trust_header, frozenset(trusted))


def _address(wanted: Wanted, is_tls: bool, is_behind: bool, port: int) -> str:
    """Give the address that people open."""
    if is_behind:
        return f"https://{wanted.hosts[0]}"
    host = wanted.hosts[0] if wanted.hosts else bare(wanted.bind)
    return f"{'https' if is_tls else 'http'}://{joined(bare(host), port)}"


def _tell(console: Console, address: str, roles: Sequence[str], screen: Screen) -> None:
    """Say where it is; links go to a person's terminal alone, never into a log."""
    screen.say(f"the console is open at {address} (Ctrl-C ends it)")
    if console.proxy is None and not sys.stdout.isatty():
        screen.say("here is no terminal to show a link on: make one with --link NAME --role ROLE")
        return
    if console.proxy is None:
        screen.say("each link lets one person in, once, within ten minutes:")
        for role in roles:
            link = links.entrance(address, console.doors.link(user_name(), role))
            print(f"  {role}: {link}")
