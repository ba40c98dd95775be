"""Before the first round: wait until a quorum is connected, and those are in who are invited."""

import time
from collections.abc import Callable, Sequence

from medfl_server.superlink.transport import Announce, Post

Tell = Callable[[Sequence[str], Sequence[str], Sequence[str], int], None]
JOIN_GRACE_S = 20.0  # once a quorum is connected, how long the first round waits for the others


def wait_for_quorum(
    post: Post,
    quorum: Callable[[int], int],
    deadline_s: float,
    announce: Announce,
    invited: Callable[[], Sequence[str]],
    heed: Callable[[], None] = lambda: None,
    tell: Tell = lambda present, away, invited, quorum: None,
) -> None:
    """Wait as long as it takes for a quorum to connect, then a little for the others.

    Args:
        post: Where sites connect.
        quorum: Counts the replies that a round of so many sites needs.
        deadline_s: Of a round; nobody waits longer for the others.
        announce: Takes one line per change.
        invited: Names who may still join: these count as sites that are away.
        heed: Raises what ends the wait.
        tell: Takes at each look who is connected, away, invited, and how many are needed.
    """
    since: float | None = None
    told = ""
    while True:
        heed()
        coming, roster = invited(), [*post.roster()]  # in this order: who is let in is in one
        present = [site for site in post.connected_sites() if site in roster]
        absent = [site for site in roster if site not in present]
        coming = [site for site in coming if site not in roster]
        away = [*absent, *(f"{site} (invited)" for site in coming)]
        n_sites = len(present) + len(away)
        tell(present, absent, coming, quorum(n_sites) if roster else 0)
        if roster and not away:
            return
        if roster and len(present) >= quorum(n_sites):
            since = since or time.monotonic()
            if time.monotonic() - since > min(JOIN_GRACE_S, deadline_s):
                return
        line = (
            f"{len(present)} of {n_sites} sites are connected; waiting for {', '.join(away)}"
            if away
            else "no hospital is enrolled or invited; medfl-server invite does that"
        )
        if line != told:
            announce(line)
            told = line
        time.sleep(0.1)
