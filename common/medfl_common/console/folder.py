"""What a running console keeps, in a folder of its own: the name of each file, once."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ConsoleFolder:
    """A folder of this user alone."""

    path: Path

    @property
    def links(self) -> Path:
        """Where the console is, and digests of links that were asked for; while it runs."""
        return self.path / "links.json"

    @property
    def first_words(self) -> Path:
        """Approvals that wait for a second person."""
        return self.path / "first-words.json"
