"""Before rounds are made: who is enrolled or invited is waited for, and a page can say so."""

from collections.abc import Callable
from functools import partial

from medfl_server.aggregation.aggregator import quorum_of
from medfl_server.roster.invitations import expected_sites
from medfl_server.rounds.live import LiveFile, waiting
from medfl_server.rounds.quorum import wait_for_quorum
from medfl_server.study.deadline import patience_s
from medfl_server.study.run_directory import Study
from medfl_server.superlink.transport import Announce, Post


def wait_for_sites(
    study: Study,
    post: Post,
    live: LiveFile,
    made: int,
    heed: Callable[[int], None],
    announce: Announce,
) -> None:
    """Wait for a quorum; before the first round it is one of those who are invited, too.

    Args:
        study: The run directory and its plan.
        post: Where sites connect.
        live: Takes who is waited for.
        made: The last round made.
        heed: Raises what ends the wait; takes that round.
        announce: Takes one line per change.
    """
    quorum = partial(quorum_of, study.plan.federation)
    invited = partial(expected_sites, study.folder) if not made else list[str]
    wait_for_quorum(
        post, quorum, patience_s(study.plan.federation), announce, invited,
        lambda: heed(made), waiting(live, made),
    )  # fmt: skip
