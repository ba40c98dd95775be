"""The site's identity: two key pairs that it makes itself; the private halves never leave.

identity.key   P-384: Flower's requests are signed with it
signing.key    Ed25519: every reply is signed with it
identity.pub   both public halves, one OpenSSH line each: what the coordinator enrols

A study below a hospital's directory has no keys of its own: those of the hospital serve.
"""

import time
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from medfl_client.config.folder import PRIVATE, PUBLIC, SIGNING_KEY, home_of
from medfl_common.errors import LinkError
from medfl_common.files import write_atomic, write_private


def create_identity(folder: Path, site: str) -> list[str]:
    """Make what is missing of the key pairs, and never a private key in the place of another.

    Returns the public keys' lines, with the site's name.
    """
    folder = home_of(folder)
    if (folder / PUBLIC).exists():
        lines = [" ".join(line.split()[:2]) for line in public_lines(folder)]
    else:
        lines = [
            _public_line(folder / PRIVATE)
            or _create(folder / PRIVATE, ec.generate_private_key(ec.SECP384R1())),
            _public_line(folder / SIGNING_KEY)
            or _create(folder / SIGNING_KEY, Ed25519PrivateKey.generate()),
        ]
    text = "".join(f"{line} {site}\n" for line in lines)
    write_atomic(folder / PUBLIC, text.encode())
    return public_lines(folder)


def replace_identity(folder: Path, site: str) -> list[str]:
    """Make new key pairs; the old ones stay beside them, with the time in their names."""
    folder = home_of(folder)
    suffix = time.strftime(".until-%Y%m%d-%H%M%S")
    for name in (PUBLIC, SIGNING_KEY, PRIVATE):
        with suppress(FileNotFoundError):  # what is lost is replaced too
            (folder / name).rename(folder / (name + suffix))
    return create_identity(folder, site)


def public_lines(folder: Path) -> list[str]:
    """Read the lines that go to the coordinator; raises LinkError where a key is not safe."""
    folder = home_of(folder)
    for name in (PRIVATE, SIGNING_KEY):
        private = folder / name
        if not private.exists():
            raise LinkError(
                f"{private} is missing",
                todo="put it back from a copy; if there is none, medfl-client new-keys makes new "
                f"keys for {folder}, and medfl-client init the first ones",
            )
        if private.stat().st_mode & 0o077:
            raise LinkError(
                f"others can read {private}", todo="run chmod 600 on it, then start again"
            )
    return (folder / PUBLIC).read_text().split("\n")[:2]


def signing_key(folder: Path) -> Ed25519PrivateKey:
    """Read the key that signs replies; raises LinkError if it is no such key."""
    path = home_of(folder) / SIGNING_KEY
    key = _read(path)
    if not isinstance(key, Ed25519PrivateKey):
        raise _foreign(path)
    return key


def transport_key(folder: Path) -> ec.EllipticCurvePrivateKey:
    """Read the key that Flower's requests are signed with; raises LinkError if it is no such."""
    path = home_of(folder) / PRIVATE
    key = _read(path)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _foreign(path)
    return key


def _read(path: Path) -> object:
    try:
        return serialization.load_ssh_private_key(path.read_bytes(), password=None)
    except ValueError:
        raise _foreign(path) from None


def _foreign(path: Path) -> LinkError:
    return LinkError(f"{path} is not the key that medfl-client init made", todo="put that one back")


def _public_line(path: Path) -> str:
    """Give the public line of a private key that is there; empty: there is none."""
    if not path.exists():
        return ""
    key = (transport_key if path.name == PRIVATE else signing_key)(path.parent)
    return _line_of(key)


def _create(path: Path, key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> str:
    """Write a private key that only its owner may read; give the public key's line."""
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    write_private(path, private)
    return _line_of(key)


def _line_of(key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> str:
    form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    return key.public_key().public_bytes(*form).decode()
