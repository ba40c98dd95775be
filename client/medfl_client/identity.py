"""The site's identity: a key pair by which the coordinator knows it."""

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from medfl_common.errors import LinkError
from medfl_common.files import write_private

PRIVATE, PUBLIC = "identity.key", "identity.pub"


def create_identity(folder: Path, site: str) -> str:
    """Make the key pair if there is none (P-384, OpenSSH form); return the public key's line."""
    if not (folder / PRIVATE).exists():
        key = ec.generate_private_key(ec.SECP384R1())
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        write_private(folder / PRIVATE, private)
        (folder / PUBLIC).write_bytes(public + b" " + site.encode() + b"\n")
    return public_line(folder)


def public_line(folder: Path) -> str:
    """Read the line that goes to the coordinator; raises LinkError where the key is not safe."""
    private = folder / PRIVATE
    if not private.exists():
        raise LinkError(f"{private} is missing; run medfl-client init {folder}")
    if private.stat().st_mode & 0o077:
        raise LinkError(f"others can read {private}; run chmod 600 on it, then start again")
    return (folder / PUBLIC).read_text().strip()
