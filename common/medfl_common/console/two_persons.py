"""Approvals that need two people of two roles: the first word waits for the second.

Both must have signed in as themselves, by a password or a proxy: whoever starts a console can make
a link in any name. A first word counts for one thing as it is, by its digest, for seven days, and
only as long as its author has the role and password of that day.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from medfl_common.console.doors import Visitor, unmarked
from medfl_common.errors import ConfigError
from medfl_common.files import alone, write_private

LASTS_S = 7 * 24 * 3600.0


@dataclass(frozen=True)
class Word:
    """One person's word."""

    who: str
    role: str
    how: str
    at: float  # Unix time
    mark: str = ""  # of the person's role and password then; see Users.mark_of


class TwoPersons:
    """First words, kept in a file of this user alone; see ConsoleFolder.first_words.

    Args:
        path: The file.
        roles: The two roles, one person of each.
        clock: Unix time.
        mark_of: Gives what changes with a person's role or password; see Users.mark_of.
    """

    def __init__(
        self, path: Path, roles: tuple[str, str], clock: Callable[[], float] = time.time,
        mark_of: Callable[[str], str] = unmarked,
    ) -> None:  # fmt: skip
        self._path, self._roles, self._clock = path, roles, clock
        self._mark_of = mark_of

    def waiting(self, what: str, subject: str) -> Word | None:
        """Give the first person's word for this, as long as the second one's is missing.

        Args:
            what: Such as `approve`.
            subject: What it is for, as it is now: such as the plan's hash.
        """
        return self._read().get(_key(what, subject))

    def agree(self, what: str, subject: str, visitor: Visitor) -> tuple[Word, Word] | None:
        """Take a person's word; give both once there are two, else None. Raises ConfigError."""
        self._check(visitor)
        word = Word(
            visitor.who, visitor.role, visitor.how, self._clock(), self._mark_of(visitor.who)
        )
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with alone(self._path.parent):
            words = self._read()
            first = words.pop(_key(what, subject), None)
            if first is None:
                self._write({**words, _key(what, subject): word})
                return None
            self._check_second(first, visitor)
            self._write(words)
        return first, word

    def take_back(self, what: str, subject: str) -> None:
        """Forget a first word."""
        with alone(self._path.parent):
            words = self._read()
            words.pop(_key(what, subject), None)
            self._write(words)

    def _check(self, visitor: Visitor) -> None:
        if visitor.role not in self._roles:
            raise ConfigError(f"this needs a {self._roles[0]} and a {self._roles[1]}")
        if visitor.how == "link":
            raise ConfigError(
                "this needs two people who have signed in as themselves, and a link is no proof",
                todo="sign in by your password; `user add` enters one",
            )

    def _check_second(self, first: Word, visitor: Visitor) -> None:
        if first.who == visitor.who:
            raise ConfigError("you have given your word; this needs a second person")
        if first.role == visitor.role:
            other = next(role for role in self._roles if role != visitor.role)
            raise ConfigError(
                f"{first.who} ({first.role}) has given a word; this needs a {other} now"
            )

    def _read(self) -> dict[str, Word]:
        try:
            found = json.loads(self._path.read_bytes())
            words = {str(key): Word(**word) for key, word in found.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError):
            return {}  # whoever has given a word gives it again
        oldest = self._clock() - LASTS_S
        return {key: word for key, word in words.items()
                if word.at > oldest and word.mark == self._mark_of(word.who)}  # fmt: skip

    def _write(self, words: Mapping[str, Word]) -> None:
        facts = {key: asdict(word) for key, word in words.items()}
        write_private(self._path, json.dumps(facts).encode())


def _key(what: str, subject: str) -> str:
    return f"{what} {subject}"
