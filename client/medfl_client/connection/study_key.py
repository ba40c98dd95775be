"""The study key at a site: pinned once seen, and asked of every task before anything else.

The authority in ca.crt vouches for the key, so the first one needs no other word. From then on only
that one counts: who steals the authority's key cannot bring another. A person who puts a new ca.crt
here joins another study, and its key is pinned beside.
"""

import json
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from medfl_client.config.folder import StateFolder
from medfl_client.config.site_file import SiteFile
from medfl_common.errors import ConfigError, LinkError
from medfl_common.files import write_atomic
from medfl_common.wire.keys import fingerprint
from medfl_common.wire.study_key import issued_key, key_line


def read_authorities(ca: Path) -> list[x509.Certificate]:
    """Read ca.crt: the authority, and after it, where it is there, the study key's certificate."""
    try:
        return x509.load_pem_x509_certificates(ca.read_bytes())
    except (OSError, ValueError):
        raise LinkError(
            f"server.ca {ca.resolve()} is no certificate", todo="put the coordinator's ca.crt there"
        ) from None


def check_one_authority(folder: Path, site: SiteFile, home: Path, own: SiteFile) -> None:
    """Raise ConfigError where a study's ca.crt is another coordinator's than the hospital's."""
    if site.server is None or own.server is None:
        return
    ca = folder / site.server.ca
    if read_authorities(ca)[0] != read_authorities(home / own.server.ca)[0]:
        raise ConfigError(
            f"{ca} is of another coordinator than {home / own.server.ca}",
            todo="a study of another coordinator needs a site directory of its own",
        )


def known_study_key(ca: Path, state: Path) -> str:
    """Give the line of the study key that is pinned or stands in ca.crt; empty: none is known."""
    authorities = read_authorities(ca)
    pinned = _pinned(state).get(_name(authorities[0]))
    if pinned or len(authorities) == 1:
        return pinned or ""
    return key_line(issued_key(authorities[1], authorities))


def pinned_keys(state: Path) -> list[Ed25519PublicKey]:
    """Give every study key that is pinned here."""
    keys = (load_ssh_public_key(line.encode()) for line in _pinned(state).values())
    return [key for key in keys if isinstance(key, Ed25519PublicKey)]


def pin(ca: Path, state: Path, line: str) -> None:
    """Keep the study key of this authority, once."""
    name, pinned = _name(read_authorities(ca)[0]), _pinned(state)
    if name not in pinned:
        text = json.dumps({**pinned, name: line}, indent=1)
        write_atomic(StateFolder(state).study_keys, text.encode())


def in_words(ca: Path, state: Path) -> str:
    """Say which study key is known here, to be compared by telephone."""
    known = known_study_key(ca, state)
    if known:
        return f"{fingerprint([known])}, to compare by telephone; no other signs a task"
    return "comes with the first task, and has to be signed by the authority in ca.crt"


def _name(authority: x509.Certificate) -> str:
    return authority.fingerprint(hashes.SHA256()).hex()


def _pinned(state: Path) -> dict[str, str]:
    path = StateFolder(state).study_keys
    try:
        return {str(ca): str(line) for ca, line in json.loads(path.read_text()).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError):
        raise LinkError(
            f"{path} is damaged",
            todo="put it back from a copy; without it, the next task brings the key anew",
        ) from None
