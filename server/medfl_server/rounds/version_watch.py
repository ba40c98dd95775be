"""Tells when the sites of a study do not run the same versions."""

from medfl_common.wire.versions import COORDINATOR, mixture, named, own_versions
from medfl_server.rounds.outcome import Replies
from medfl_server.superlink.transport import Announce


class VersionWatch:
    """What each site runs, by its newest reply; one line for each change of the mixture."""

    def __init__(self, announce: Announce) -> None:
        self._announce = announce
        self._seen = {COORDINATOR: named(own_versions())}
        self._told = ""

    def note(self, replies: Replies) -> None:
        """Look at the versions that came with a round's replies."""
        for site, answered in replies.answered.items():
            if answered.result.versions is not None:
                self._seen[site] = named(answered.result.versions)
        mixed = mixture(self._seen)
        if mixed and mixed != self._told:
            self._announce(
                f"the versions differ: {mixed}. The study goes on; agree on one version of each"
            )
        self._told = mixed
