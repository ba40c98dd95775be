"""Where the client's two processes meet: a Unix socket in a folder of this user alone.

A free port on loopback could be taken by any other program of this machine while the SuperNode is
away. The secret that both processes have is never sent: each answer proves that its sender has it.
"""

import hmac
import os
import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from medfl_client.config.folder import StateFolder
from medfl_common.errors import ConfigError

# The executor asks with the one, the SuperNode answers with the other.
NONCE_HEADER, PROOF_HEADER = "medfl-nonce", "medfl-proof"
MOST_BYTES = 100  # of a socket's path; systems allow 103 or 107


@dataclass(frozen=True)
class MeetingPlace:
    """A Unix socket, by a path that is short enough, and the secret that both sides have."""

    path: str
    folder_handle: int  # an open folder, which a child that uses the path inherits
    secret: bytes
    secret_file: Path


def prepare_place(state: StateFolder, secret: bytes, secret_file: Path) -> MeetingPlace:
    """Make the folder of the socket, for this user alone; raises ConfigError where it cannot be."""
    socket = state.executor_socket.resolve()
    folder = socket.parent
    folder.mkdir(exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    if socket.exists() and not stat.S_ISSOCK(socket.stat().st_mode):
        raise ConfigError(
            f"{socket} is taken by something that medfl did not make", todo="remove or rename it"
        )
    handle = os.open(folder, os.O_RDONLY)
    return MeetingPlace(_short(socket, handle), handle, secret, secret_file)


def _short(socket: Path, handle: int) -> str:
    """Name a socket in a deep folder by the open folder; only Linux has such names."""
    if len(os.fsencode(socket)) <= MOST_BYTES:
        return str(socket)
    if not os.path.isdir(f"/proc/self/fd/{handle}"):
        raise ConfigError(
            f"the path {socket} has {len(os.fsencode(socket))} bytes, and this system allows a "
            f"socket {MOST_BYTES}",
            todo="move the site's folder to a place with a shorter path",
        )
    return f"/proc/self/fd/{handle}/{socket.name}"


def proof(secret: bytes, nonce: str) -> str:
    """Prove to who made the nonce that one has the secret."""
    return hmac.new(secret, f"medfl {nonce}".encode(), sha256).hexdigest()
