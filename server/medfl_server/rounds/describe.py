"""Each site counts its data once, before training; one that joins later as soon as it is there."""

from collections.abc import Iterable

from medfl_common.errors import MEANING
from medfl_common.models.weights import Weights
from medfl_common.run.events import Asked, Statistics
from medfl_common.run.site_reply import SiteReply
from medfl_common.wire.results import TrainResult
from medfl_server.reports.heterogeneity import Told, differences, read_statistics
from medfl_server.reports.heterogeneity_page import write_harmony
from medfl_server.rounds.collect import NOT_YET, Collection
from medfl_server.rounds.late_replies import LateReplies
from medfl_server.rounds.live import LiveFile
from medfl_server.rounds.sent_once import SentOnce
from medfl_server.study.run_directory import Study
from medfl_server.superlink.transport import Announce, Post

WAITS = {MEANING[code] for code in NOT_YET}  # a person there may still change their mind


class Describing:
    """Asks every site of the roster for its statistics until it gave or refused them.

    Args:
        study: The run directory and its plan.
        post: Where tasks go and replies come from.
        announce: Takes one line per event.
        late: Drops the replies of questions that are closed.
        live: Takes what each site is doing.
    """

    def __init__(
        self, study: Study, post: Post, announce: Announce, late: LateReplies, live: LiveFile
    ) -> None:
        self._study = study
        self._post = post
        self._announce = announce
        self._late, self._live = late, live
        self._told: Told | None = None  # as the log has it; None: it was not read, or nobody asked
        self._settled: set[str] = set()  # gave their statistics, or will not

    def ask(self) -> None:
        """Ask all at first, later those who joined since; nothing where nobody did."""
        if not self._study.plan.federation.statistics:
            return
        self._told = self._told or read_statistics(self._study)
        present = self._post.connected_sites()
        if self._told is None:
            self._ask(self._post.roster(), n_needed=1)
            return
        self._settled |= self._told[0].keys()
        newcomers = {s for s in self._post.roster() if s in present} - self._settled
        if newcomers:
            self._ask(newcomers, n_needed=0)

    def _ask(self, chosen: Iterable[str], n_needed: int) -> None:
        """Ask these sites once, log what they tell, and write the page."""

        def nothing(site: str, result: TrainResult) -> None:
            return None

        no_weights: Weights = {}
        collection = Collection(
            self._study, self._post, self._announce, nothing, SentOnce({}), self._late, {*chosen},
            live=self._live,
        )  # fmt: skip
        replies = collection.run("describe", 0, no_weights, lambda: n_needed)
        sites = {
            site: SiteReply.of_statistics(
                counts,
                answered.bytes_received,
                answered.bytes_sent,
                answered.result.participants,
            )
            for site, answered in replies.answered.items()
            if (counts := answered.result.statistics) is not None
        }
        self._study.log.add(Statistics(Asked.of_replies(0, None, sites, replies.missing).facts))
        present = self._post.connected_sites()
        refused = {s for s, why in replies.missing.items() if s in present and why not in WAITS}
        self._settled |= sites.keys() | refused
        self._tell(set(sites))

    def _tell(self, new: set[str]) -> None:
        self._told = read_statistics(self._study)
        for site, remarks in differences(self._told[0] if self._told else {}).items():
            for remark in remarks if site in new else ():
                self._announce(f"{site}: {remark}")
        self._announce(f"how the sites' data compare: {write_harmony(self._study)}")
