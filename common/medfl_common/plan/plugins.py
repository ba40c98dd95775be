"""What a plan and a policy say of a plugin: code that the hospital's own IT installs."""

import re
from typing import Annotated

from medfl_common.plan.graph_files import Sha256
from medfl_common.plan.settings import Matching, Settings

_DISTRIBUTION = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?"
_VERSION = r"[0-9A-Za-z][0-9A-Za-z.+!_-]{0,63}"


class Plugin(Settings):
    """A wheel with parts of medfl: code, installed by each hospital's own IT, and never sent."""

    distribution: Annotated[str, Matching(_DISTRIBUTION, "the name of the wheel's distribution")]
    """The name of the wheel's distribution."""
    version: Annotated[str, Matching(_VERSION, "the wheel's version, such as 1.2.0")]
    """Its version, exactly."""
    sha256: Sha256
    """The SHA-256 of its RECORD, which lists its files and their hashes, as `medfl-client plugins`
    prints it."""

    def __str__(self) -> str:
        """Name it in a line."""
        return f"{self.distribution} {self.version} (RECORD {self.sha256[:12]})"

    def is_same(self, other: "Plugin") -> bool:
        """Say whether both mean one wheel, to the last file."""
        facts = [(_plain(p.distribution), p.version, p.sha256) for p in (self, other)]
        return facts[0] == facts[1]


def _plain(distribution: str) -> str:
    """Write a distribution's name as installers compare it: case and kind of dash do not count."""
    return re.sub(r"[-_.]+", "-", distribution).lower()
