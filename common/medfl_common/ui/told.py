"""What a command says, kept instead of printed: lines and tables in their order.

A terminal and a page show the same words, so what a person reads is made once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self


class Shows(Protocol):
    """Whatever lines and tables are shown on: a screen, or a Told that keeps them."""

    def say(self, line: str) -> None:
        """Show one line."""

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
        """Show a table."""


class Follows(Shows, Protocol):
    """Shows also how far long work is."""

    def watch(self, work: str) -> Callable[[int, int], None]:
        """Give what takes (done, of)."""


@dataclass(frozen=True)
class Words:
    """One line, or a table under its title."""

    line: str = ""
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    title: str = ""

    @property
    def is_table(self) -> bool:
        """Say whether it is a table."""
        return bool(self.header)


@dataclass
class Told:
    """Keeps what is said."""

    words: list[Words] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Keep one line."""
        self.words.append(Words(line))

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
        """Keep a table."""
        self.words.append(Words(header=[*header], rows=[[*row] for row in rows], title=title))

    def watch(self, work: str) -> Callable[[int, int], None]:
        """Follow nothing: what is kept is read after the work."""
        return lambda done, of: None

    def tell(self, screen: Shows) -> None:
        """Show it all."""
        for one in self.words:
            if one.is_table:
                screen.table(one.header, one.rows, one.title)
            else:
                screen.say(one.line)

    @property
    def facts(self) -> list[dict[str, Any]]:
        """Give it as JSON."""
        return [
            {"header": [*one.header], "rows": [[*row] for row in one.rows], "title": one.title}
            if one.is_table
            else {"line": one.line}
            for one in self.words
        ]

    @classmethod
    def of(cls, facts: Sequence[Mapping[str, Any]]) -> Self:
        """Read what `facts` gave."""
        return cls([Words(**one) for one in facts])
