"""Who may sign in to a console by password, and as what: `console.yaml`, for its owner alone.

    users:
      Ada: {role: coordinator, password: $argon2id$v=19$...}
      Ben: {role: viewer}

Ben has no password: a proxy signs him in. Passwords are kept by Argon2id (RFC 9106), with the
parameters that argon2-cffi takes by itself: 64 MiB, 3 passes, 4 lanes.
"""

import hashlib
import logging
import os
import threading
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from medfl_common.errors import ConfigError
from medfl_common.files import alone, write_private
from medfl_common.plan.strict_yaml import parse_yaml
from medfl_common.visible import visible

if TYPE_CHECKING:
    from argon2 import PasswordHasher

LEAST, MOST = 12, 256  # characters of a password
MOST_OF_NAME = 64
AT_ONCE = threading.Semaphore(2)  # each check takes 64 MiB


@dataclass(frozen=True)
class User:
    """One who may sign in; without a password only a proxy lets them in."""

    role: str
    password: str = ""  # its hash

    def as_yaml(self) -> dict[str, str]:
        """Give the entry in the file."""
        return {"role": self.role} | ({"password": self.password} if self.password else {})


class Users:
    """The users of a running console; a changed file counts at once.

    Args:
        path: The file.
        roles: Those of the console; a user with another one is nobody.
    """

    def __init__(self, path: Path, roles: Sequence[str]) -> None:
        self._path, self._roles = path, roles
        self._stamp: tuple[int, ...] = ()
        self._users: Mapping[str, User] = {}
        self.fault = ""  # why the file cannot be read
        self._nobody = ""

    def role_of(self, name: str) -> str | None:
        """Give a person's role; None: the file does not name them."""
        user = self._read().get(plain(name))
        return user.role if user else None

    def mark_of(self, name: str) -> str:
        """Give what changes with a person's role or password."""
        user = self._read().get(plain(name))
        return hashlib.sha256(repr(user).encode()).hexdigest() if user else ""

    def has_passwords(self) -> bool:
        """Say whether anybody can sign in by password."""
        return any(user.password for user in self._read().values())

    def prepare(self) -> None:
        """Look at the file before a console opens; raises ConfigError where it cannot be used."""
        has_passwords = self.has_passwords()
        if self.fault:
            raise ConfigError(self.fault, todo=f"repair {self._path}")
        if has_passwords:
            self._nobody = _hasher().hash(os.urandom(16))

    def check(self, name: str, password: str) -> bool:
        """Say whether a password is a person's; for a name that is unknown it takes as long."""
        user, hasher = self._read().get(plain(name)), _hasher()
        if not self._nobody:
            self._nobody = hasher.hash(os.urandom(16))
        kept = user.password if user else ""
        with AT_ONCE:
            is_right = _verify(hasher, kept or self._nobody, password[:MOST])
        return is_right and bool(kept)

    def _read(self) -> Mapping[str, User]:
        stamp: tuple[int, ...] = ()
        with suppress(OSError):
            facts = self._path.stat()
            stamp = (facts.st_mtime_ns, facts.st_size, facts.st_ino, facts.st_mode, facts.st_uid)
        if stamp != self._stamp:
            self.fault = ""
            try:
                found = read_users(self._path)
            except ConfigError as error:  # nobody is in by it until it is repaired
                found, self.fault = {}, error.what
                logging.getLogger("medfl").warning("nobody can sign in: %s", error)
            self._users = {n: user for n, user in found.items() if user.role in self._roles}
            self._stamp = stamp
        return self._users


def read_users(path: Path) -> dict[str, User]:
    """Read the file; raises ConfigError where others can read it, or it is of another form."""
    try:
        with path.open(encoding="utf-8") as file:
            facts = os.fstat(file.fileno())
            if facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
                raise ConfigError(
                    f"{path} can be read or changed by others",
                    todo=f"chmod 600 {path}, as the user who runs the console",
                )
            text = file.read()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError):
        raise _of_other_form(path) from None
    users = parse_yaml(text, str(path)).get("users", {})
    if not isinstance(users, dict):
        raise _of_other_form(path)
    return {plain(str(name)): _user(path, value) for name, value in users.items()}


def put_user(path: Path, name: str, role: str, password: str | None) -> bool:
    """Enter a person, or change them; say whether they were there. Raises ConfigError.

    Args:
        path: The users file.
        name: Theirs.
        role: What they may do.
        password: None: they keep the one they have; empty: they have none, a proxy signs them in.
    """
    name = checked_name(name)
    if not path.parent.is_dir():
        raise ConfigError(
            f"there is no directory {path.parent}", todo="name the one that the console is of"
        )
    with alone(path.parent):
        users = read_users(path)
        before = users.get(name)
        kept = before.password if before else ""
        users[name] = User(role, kept if password is None else password and _hash(name, password))
        _write(path, users)
    return before is not None


def remove_user(path: Path, name: str) -> None:
    """Remove a person; raises ConfigError where there is none of the name."""
    with alone(path.parent):
        users = read_users(path)
        if plain(name) not in users:
            known = ", ".join(users) or "nobody"
            raise ConfigError(f"{path} has no user {name!r}", todo=f"it has: {known}")
        del users[plain(name)]
        _write(path, users)


def plain(name: str) -> str:
    """Give a name in the one form in which names are compared (Unicode NFC)."""
    return unicodedata.normalize("NFC", name)


def checked_name(name: str) -> str:
    """Give a name as it is kept; raises ConfigError where it would not look like what it is."""
    is_fine = 0 < len(name) <= MOST_OF_NAME and name == name.strip() and name == visible(name)
    if not is_fine:
        raise ConfigError(
            f"{visible(name)!r} is no name for a user",
            todo=f"take 1 to {MOST_OF_NAME} characters that can be seen",
        )
    return plain(name)


def _write(path: Path, users: Mapping[str, User]) -> None:
    facts = {"users": {name: user.as_yaml() for name, user in users.items()}}
    write_private(path, yaml.safe_dump(facts, allow_unicode=True, width=1000).encode())


def _user(path: Path, value: object) -> User:
    known = {"role", "password"}
    if not isinstance(value, dict) or not set(value) <= known or "role" not in value:
        raise _of_other_form(path)
    return User(str(value["role"]), str(value.get("password", "")))


def _of_other_form(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} is not as `user add` writes it", todo="remove it, and enter the users anew"
    )


def _hash(name: str, password: str) -> str:
    if not LEAST <= len(password) <= MOST or plain(name).lower() in password.lower():
        raise ConfigError(
            f"a password has {LEAST} to {MOST} characters, without the name in it",
            todo="take another",
        )
    with AT_ONCE:
        return _hasher().hash(password)


def _verify(hasher: "PasswordHasher", kept: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return hasher.verify(kept, password)
    except (InvalidHashError, VerificationError):
        return False


def _hasher() -> "PasswordHasher":
    try:
        from argon2 import PasswordHasher
    except ImportError:
        raise ConfigError(
            "passwords need argon2-cffi, which is not installed",
            todo="pip install 'medfl[console]', or use links, which need none",
        ) from None
    return PasswordHasher()
