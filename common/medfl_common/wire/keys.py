"""Public keys as both ends show them: the lines of `identity.pub`, and their fingerprint."""

import base64
import hashlib
from collections.abc import Sequence

TRANSPORT, SIGNING = "ecdsa-sha2-nistp384", "ssh-ed25519"  # OpenSSH's names of the two keys


def fingerprint(lines: Sequence[str]) -> str:
    """SHA-256 over the keys of OpenSSH public key lines, in their order, to compare by phone.

    Of one line it is what `ssh-keygen -l` shows.
    """
    blobs = b"".join(base64.b64decode(line.split()[1]) for line in lines)
    return "SHA256:" + base64.b64encode(hashlib.sha256(blobs).digest()).decode().rstrip("=")
