"""The secrets of a hospital, 32 bytes each, made at first need; they never leave.

patients.key   pseudonyms of patients, and from them the split
noise.key      coins and noise of private training
"""

import secrets
from pathlib import Path

from medfl_client.config.folder import StateFolder
from medfl_common.files import alone, write_private


def site_secret(state: Path) -> bytes:
    """Read the key of the patient pseudonyms."""
    return _kept(StateFolder(state).patients_key)


def noise_secret(state: Path) -> bytes:
    """Read the key that all noise of the hospital follows from.

    Who has it can take the noise away: it is no part of what a backup abroad should hold.
    """
    return _kept(StateFolder(state).noise_key)


def _kept(path: Path) -> bytes:
    """Read a key, or make it; who needs it first at the same moment has the same one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with alone(path.parent):
            if not path.exists():
                write_private(path, secrets.token_hex(32).encode())
    return bytes.fromhex(path.read_text())
