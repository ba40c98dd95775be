"""What a console keeps in the directory that it is of: the name of each file, once."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ConsoleFolder:
    """A study's or coordinator's directory, or a site's state; with what the console keeps there.

    Actions on one of several studies are in the study's own directory.
    """

    path: Path

    @property
    def actions(self) -> Path:
        """Who did what by the console, chained by hashes; see console/actions.py."""
        return self.path / "actions.jsonl"

    @property
    def users(self) -> Path:
        """Who may sign in by password, or is signed in by a proxy, and as what."""
        return self.path / "console.yaml"

    @property
    def running(self) -> Path:
        """A folder of this user alone, locked while the console runs."""
        return self.path / "console"

    @property
    def links(self) -> Path:
        """Where the console is, and digests of links that were asked for; while it runs."""
        return self.running / "links.json"

    @property
    def first_words(self) -> Path:
        """Approvals that wait for a second person."""
        return self.running / "first-words.json"
