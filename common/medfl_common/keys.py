"""Public keys as both ends show them."""

import base64
import hashlib


def fingerprint(line: str) -> str:
    """SHA-256 of an OpenSSH public key line as `ssh-keygen -l` shows it, to compare by phone."""
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
