"""A host and its port as one text: `fl.example.org:8443`, or `[2001:db8::7]:8443`."""

import ipaddress

PORT = r"6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]\d{4}|[1-9]\d{0,3}"
# What site.yaml accepts: a name or an IPv4 address, or an IPv6 address in brackets, and a port.
PATTERN = rf"([A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\]):({PORT})"


def split(address: str) -> tuple[str, int]:
    """Give host and port; an IPv6 address without its brackets."""
    host, _, port = address.rpartition(":")
    return bare(host), int(port)


def joined(host: str, port: int) -> str:
    """Write host and port as one text; an IPv6 address gets brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def bare(host: str) -> str:
    """Take the brackets of an IPv6 address off."""
    return host.removeprefix("[").removesuffix("]")


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine by name or address."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
