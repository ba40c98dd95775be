"""Check what hospitals meet: certificates, keys, the port and the public name."""

import socket
import ssl
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from medfl_common.errors import LinkError, system_reason
from medfl_common.files import holder
from medfl_common.ops.address import joined
from medfl_common.ops.certificate import certificate_fingerprint, check_end, valid_until
from medfl_common.ops.checks import Check, Finding, fail, not_checked, ok, warn
from medfl_common.run.folder import RunFolder
from medfl_server.roster.certificates import certified_names
from medfl_server.roster.study_key import read_study_key, study_fingerprint
from medfl_server.superlink.port import bind

CONNECT_S = 5.0


def door_checks(folder: Path, port: int) -> dict[str, Check]:
    """List the checks of the hospitals' way to the coordinator."""
    return {
        "authority (ca.crt)": partial(check_authority, folder),
        "server certificate": partial(check_server_certificate, folder),
        "study key": partial(check_study_key, folder),
        "private keys": partial(check_private_keys, RunFolder(folder)),
        "port": partial(check_port, folder, port),
        "public name": partial(check_name, folder),
        "from outside": partial(check_way_in, folder, port),
    }


def check_authority(folder: Path) -> Finding:
    """Check the certificate that identifies this coordinator to hospitals."""
    path = RunFolder(folder).ca
    found = check_end(valid_until(path), "make a new study with a new authority", "you")
    shown = f"{found.seen}; compare by telephone: {certificate_fingerprint(path)}"
    return Finding("", found.state, shown, found.todo, found.who)


def check_server_certificate(folder: Path) -> Finding:
    """Check that the server's certificate is valid, signed by this authority, and for its key."""
    made, todo = RunFolder(folder), f"medfl-server renew {folder}, then start run again"
    certificate = _certificate(made.server_certificate)
    try:
        certificate.verify_directly_issued_by(_certificate(made.ca))
    except Exception:  # each kind of wrong signature has its own error
        return fail("server.crt is not signed by ca.crt", todo)
    key = serialization.load_pem_private_key(made.server_key.read_bytes(), password=None)
    if key.public_key() != certificate.public_key():
        return fail("server.key does not belong to server.crt", todo)
    found = check_end(certificate.not_valid_after_utc, todo, "you")
    shown = f"{found.seen}; for {', '.join(certified_names(folder))}"
    return Finding("", found.state, shown, found.todo, found.who)


def check_study_key(folder: Path) -> Finding:
    """Check the key that signs tasks; a study of an earlier version gets one when it goes on."""
    shown = study_fingerprint(folder)
    if not shown:
        return ok("none yet: medfl-server run makes it")
    read_study_key(folder)  # its errors say what to do
    return ok(f"signs tasks; compare by telephone: {shown}")


def check_private_keys(made: RunFolder) -> Finding:
    """Check that the keys exist and nobody else can read them."""
    study_keys = [made.study_key] if made.study_certificate.exists() else []
    for path in (made.ca_key, made.server_key, *study_keys):
        if not path.exists():
            return fail(f"{path.resolve()} is missing", "put it back from a copy")
        if path.stat().st_mode & 0o077:
            todo = f"chmod 600 {path.resolve()}; if others may have read it, renew it"
            return fail(f"other users of this machine can read {path.name}", todo)
    return ok("the private keys in tls are this user's alone")


def check_port(folder: Path, port: int) -> Finding:
    """Say whether the port is free, or used by this very study."""
    owner = holder(folder)
    try:
        bind("0.0.0.0", port).close()  # noqa: S104  what run does
    except LinkError as error:
        if owner and _trouble(folder, "localhost", port) is None:
            return ok(f"{port} is used by this study's medfl-server, process {owner}")
        return fail(error.what, error.todo)
    if owner:
        return warn(
            f"{port} is free, and process {owner} runs this study on another",
            "name that one with --port",
        )
    return ok(f"{port} is free; name it in your firewall's rule for incoming connections")


def check_name(folder: Path) -> Finding:
    """Look up the name in the certificate, as a hospital will."""
    host = certified_names(folder)[0]
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        return warn(
            f"the name {host} of the certificate is unknown here",
            f"enter it in the DNS that hospitals use, or medfl-server renew {folder} --host NAME",
            "your IT department",
        )
    return ok(f"{host} is {', '.join(dict.fromkeys(str(entry[4][0]) for entry in found))}")


def check_way_in(folder: Path, port: int) -> Finding:
    """Connect by the public name; from inside it may fail where hospitals get through."""
    host = certified_names(folder)[0]
    address = joined(host, port)
    if not holder(folder):
        return not_checked(address, "start medfl-server run, then doctor again", "you")
    trouble = _trouble(folder, host, port)
    if trouble is None:
        return ok(f"{address} answers with this study's certificate")
    return warn(
        f"{address}: {trouble}",
        "ask a hospital to run medfl-client doctor; if it fails there too, let the firewall pass "
        f"incoming TCP to port {port}",
        "your IT department",
    )


def _trouble(folder: Path, host: str, port: int) -> str | None:
    """Make one handshake that trusts only this study's authority; None if it works."""
    try:
        context = ssl.create_default_context(cafile=str(RunFolder(folder).ca))
        with (
            socket.create_connection((host, port), timeout=CONNECT_S) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return None
    except OSError as error:
        return system_reason(error)


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        raise LinkError(
            f"{path} is missing or no certificate", todo="put it back from a copy"
        ) from None
