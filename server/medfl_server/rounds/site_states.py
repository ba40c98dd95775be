"""What each site of a question is doing, for who follows it; see live."""

from collections.abc import Container, Mapping, Sequence

from medfl_server.rounds.asked_sites import AskedSites
from medfl_server.rounds.live import SiteState
from medfl_server.rounds.outcome import Replies
from medfl_server.superlink.transport import ConnectedSite


def states_of(
    roster: Sequence[str],
    replies: Replies,
    failed: Container[str],
    asked: AskedSites,
    busy: Mapping[str, str],
    present: Mapping[str, ConnectedSite],
) -> dict[str, SiteState]:
    """Say it of each site of the roster.

    Args:
        roster: The sites of the question.
        replies: Who answered, and why others gave nothing so far.
        failed: Who gives nothing this time.
        asked: Who was sent a task.
        busy: Who is at work on an earlier question, and on which.
        present: Who is connected.
    """
    out, states = {*asked.out()}, dict[str, SiteState]()
    for site in roster:
        why = replies.missing.get(site, "")
        if site in replies.answered:
            states[site] = SiteState("answered")
        elif site in failed:
            states[site] = SiteState("failed", why)
        elif site in busy:
            states[site] = SiteState("late", busy[site])
        elif site not in present:
            states[site] = SiteState("away", why)
        else:
            states[site] = SiteState("asked") if site in out else SiteState("waiting", why)
    return states
