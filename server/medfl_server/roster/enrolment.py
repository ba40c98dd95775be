"""Who belongs to a study: the roster of enrolled hospitals, which may change while it runs.

DIR/roster.json      name -> public keys of each enrolled hospital, in the order of enrolment
    revoked.json     fingerprint -> name and time of each revoked key
"""

import json
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from medfl_common.errors import ConfigError, LinkError
from medfl_common.files import alone, write_atomic
from medfl_common.plan.settings import NAME, NAME_IN_WORDS
from medfl_common.run.folder import RunFolder
from medfl_common.wire.keys import fingerprint
from medfl_server.roster.roles import Role


@dataclass(frozen=True)
class Enrolled:
    """A hospital of the roster."""

    transport: str  # OpenSSH line of the P-384 key that Flower's requests are signed with
    signing: str  # OpenSSH line of the Ed25519 key that replies are signed with
    max_images: int | None = (
        None  # stated at enrolment; the coordinator does not admit a reply with more
    )
    role: Role = "train"  # evaluate: it trains nothing, and scores models on all its patients

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint that both ends compare by telephone."""
        return fingerprint((self.transport, self.signing))


Roster = dict[str, Enrolled]


def read_roster(folder: Path) -> Roster:
    """Read the enrolled sites by name, in the order of enrolment."""
    path = RunFolder(folder).roster
    if not path.exists():
        return {}
    return {name: Enrolled(**keys) for name, keys in json.loads(path.read_text()).items()}


class LiveRoster:
    """The roster of a running study; it reads the file again when somebody replaces it."""

    def __init__(self, folder: Path) -> None:
        self._path = RunFolder(folder).roster
        self._seen: tuple[int, int] | None = None
        self._roster: Roster = {}

    def __call__(self) -> Roster:
        """Return the roster as it is now."""
        if self._path.exists():
            facts = self._path.stat()
            seen = (facts.st_ino, facts.st_mtime_ns)
            if seen != self._seen:
                self._seen, self._roster = seen, read_roster(self._path.parent)
        return self._roster


def enrol(
    folder: Path,
    name: str,
    key_file: Path,
    max_images: int | None = None,
    replace: bool = False,
    role: Role = "train",
) -> str:
    """Add a hospital to the roster, or give it new keys; return its keys' fingerprint.

    Raises ConfigError for a taken name or key, or a revoked key, and LinkError for an invalid key.
    """
    check_name(name)
    site = Enrolled(*_read_public_keys(key_file), max_images, role)
    return enrol_keys(folder, name, site, replace)


def check_name(name: str) -> None:
    """Raise ConfigError for what cannot be a hospital's name."""
    if not re.fullmatch(NAME, name):
        raise ConfigError(f"the name {name!r} is not allowed", todo=f"write {NAME_IN_WORDS}")


def enrol_keys(folder: Path, name: str, site: Enrolled, replace: bool = False) -> str:
    """Do as `enrol` does, with keys that were read already."""
    with alone(folder):
        return _enrol(folder, name, site, replace)


def _enrol(folder: Path, name: str, site: Enrolled, replace: bool) -> str:
    roster = read_roster(folder)
    others = {other.fingerprint: who for who, other in roster.items() if who != name}
    if site.fingerprint in others:
        raise ConfigError(
            "this key is enrolled under another name",
            todo="ask the hospital for its own identity.pub",
        )
    if site.fingerprint in revoked_keys(folder):
        raise ConfigError(
            f"the key {site.fingerprint} was revoked", todo="ask the site for new ones"
        )
    known = roster.get(name)
    if known is not None and known.fingerprint != site.fingerprint and not replace:
        raise ConfigError(
            f"{name} is enrolled with another key, {known.fingerprint}",
            todo="if the hospital has made new keys, and said so by telephone, add --replace",
        )
    if known is not None and known.fingerprint != site.fingerprint:
        _note_revoked(folder, name, known)
    _write(folder, {**roster, name: site})
    return site.fingerprint


def name_beside(key_file: Path) -> str:
    """Give the name that a hospital wrote beside its keys in a file; empty: none."""
    return name_in(key_file.read_text(errors="replace"))


def name_in(keys: str) -> str:
    """Give the name that a hospital wrote beside its keys; empty: none."""
    words = keys.split()
    return words[2] if len(words) == 6 and words[2] == words[5] else ""


def revoke(folder: Path, name: str) -> str:
    """Take a hospital off the roster and revoke its keys for good; return their fingerprint.

    Raises ConfigError if the roster does not have it.
    """
    with alone(folder):
        roster = read_roster(folder)
        site = roster.pop(name, None)
        if site is None:
            raise ConfigError(f"{name} is not enrolled; enrolled: {', '.join(roster) or 'none'}")
        _note_revoked(folder, name, site)
        _write(folder, roster)
    return site.fingerprint


def leave_out(folder: Path, name: str) -> None:
    """Take a hospital off the roster where it is there; its keys can be enrolled again."""
    roster = read_roster(folder)
    if roster.pop(name, None) is not None:
        _write(folder, roster)


def _write(folder: Path, roster: Roster) -> None:
    values = {name: asdict(site) for name, site in roster.items()}
    write_atomic(RunFolder(folder).roster, json.dumps(values, indent=1).encode())


def revoked_keys(folder: Path) -> dict[str, dict[str, str]]:
    """Read the fingerprints of revoked keys, each with the name and the time."""
    path = RunFolder(folder).revoked
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _note_revoked(folder: Path, name: str, site: Enrolled) -> None:
    when = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    notes = {**revoked_keys(folder), site.fingerprint: {"site": name, "time": when}}
    write_atomic(RunFolder(folder).revoked, json.dumps(notes, indent=1).encode())


def _read_public_keys(path: Path) -> tuple[str, str]:
    """Read the two lines of an identity.pub."""
    return keys_in(text_of(path), str(path))


def text_of(path: Path) -> str:
    """Read an identity.pub; raises LinkError where it cannot be read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        raise LinkError(
            f"the key file {path.resolve()} cannot be read",
            todo="name the identity.pub that the hospital sent",
        ) from None


def keys_in(text: str, source: str = "the text") -> tuple[str, str]:
    """Read the transport and the signing key in the text of an identity.pub."""
    lines = [line.split()[:2] for line in text.encode().splitlines() if line.strip()]
    try:
        keys = [serialization.load_ssh_public_key(b" ".join(line)) for line in lines]
    except (ValueError, UnsupportedAlgorithm, NotImplementedError):
        raise LinkError(
            f"{source} holds no OpenSSH public key", todo="ask for identity.pub"
        ) from None
    is_right = len(keys) == 2 and isinstance(keys[0], ec.EllipticCurvePublicKey)
    if not is_right or not isinstance(keys[1], Ed25519PublicKey):
        raise LinkError(
            f"{source} holds other keys than the two that medfl-client init makes",
            todo="ask the site for its whole identity.pub",
        )
    transport, signing = (b" ".join(line).decode() for line in lines)
    return transport, signing
