"""The one way to the coordinator: medfl's own look and Flower's SuperNode both go it."""

import dataclasses
import json
import socket
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection

from medfl_client.connection.proxy import Proxy, tunnel
from medfl_common.ops.address import split

CONNECT_S = 10.0  # for one attempt to reach the coordinator
REDIRECT = "medfl: a redirect is not followed"  # the SuperNode prints it, the supervisor reads it


@dataclass(frozen=True)
class Route:
    """Where the coordinator is, and how each side identifies the other."""

    address: str  # host:port
    ca: Path
    key: Path  # identity key of this site
    enrolment_lines: str  # the lines that the coordinator needs, for messages
    proxy: Proxy | None = None  # None: the connection is direct

    @property
    def host_and_port(self) -> tuple[str, int]:
        """Split the address."""
        return split(self.address)


def connect(route: Route) -> socket.socket:
    """Open a TCP connection to the coordinator; raises OSError, or LinkError of the proxy."""
    host, port = route.host_and_port
    if route.proxy is None:
        return create_connection((host, port), CONNECT_S)
    return tunnel(route.proxy, host, port, CONNECT_S)


def for_child(route: Route) -> bytes:
    """Write what the SuperNode must know of the route, as the first line of its input."""
    proxy = None if route.proxy is None else dataclasses.asdict(route.proxy)
    return json.dumps({"address": route.address, "proxy": proxy}).encode() + b"\n"


def route_of(line: bytes) -> Route:
    """Read what `for_child` wrote; key and authority reach Flower as arguments."""
    facts = json.loads(line)
    proxy = None if facts["proxy"] is None else Proxy(**facts["proxy"])
    return Route(facts["address"], Path(), Path(), "", proxy)
