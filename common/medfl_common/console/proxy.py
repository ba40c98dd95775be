"""A reverse proxy that has signed people in, and says in a header who they are.

Only a proxy on this machine is believed, by its loopback address. Whoever can open a connection
here can say the same: no other people may have accounts on this machine.
"""

import ipaddress
from dataclasses import dataclass

from starlette.requests import Request


@dataclass(frozen=True)
class Proxy:
    """Who is believed, and by which header.

    Args:
        header: Such as X-Remote-User; the proxy sets it, whatever the browser sent.
        trusted: Loopback addresses of the proxy.
    """

    header: str
    trusted: frozenset[str]

    def is_asking(self, request: Request) -> bool:
        """Say whether a request comes through it."""
        return request.client is not None and request.client.host in self.trusted

    def who(self, request: Request) -> str | None:
        """Give the name that it vouches for; None: none, or two."""
        names = request.headers.getlist(self.header)
        if not self.is_asking(request) or len(names) != 1:
            return None
        try:  # a header's bytes are read as Latin-1; proxies write UTF-8
            return names[0].encode("latin-1").decode().strip() or None
        except UnicodeError:
            return None


def address_of(request: Request, proxy: Proxy | None) -> str:
    """Give the address of a person's browser, as far as the proxy says it; for the record."""
    own = request.client.host if request.client else ""
    if proxy is None or not proxy.is_asking(request):
        return own
    # Both a browser and the proxy may send a line of it: what the proxy adds stands last.
    said = ",".join(request.headers.getlist("x-forwarded-for")).rpartition(",")[2].strip()
    try:
        return str(ipaddress.ip_address(said))
    except ValueError:
        return own
