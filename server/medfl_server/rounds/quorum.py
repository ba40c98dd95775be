"""Before the first round: wait until a quorum is connected."""

import time
from collections.abc import Callable

from medfl_server.superlink.transport import Announce, Post

JOIN_GRACE_S = 20.0  # once a quorum is connected, how long the first round waits for the others


def wait_for_quorum(
    post: Post, quorum: Callable[[], int], deadline_s: float, announce: Announce
) -> None:
    """Wait as long as it takes for a quorum to connect, then a little for the others."""
    since: float | None = None
    told: list[str] = []
    while True:
        roster = [*post.roster()]
        present = [site for site in post.connected_sites() if site in roster]
        away = [site for site in roster if site not in present]
        if not away:
            return
        if len(present) >= quorum():
            since = since or time.monotonic()
            if time.monotonic() - since > min(JOIN_GRACE_S, deadline_s):
                return
        if away != told:
            announce(
                f"{len(present)} of {len(roster)} sites are connected; "
                f"waiting for {', '.join(away)}"
            )
            told = away
        time.sleep(0.1)
