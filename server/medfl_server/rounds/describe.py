"""The first question of a study: each site counts its data, before any training."""

from medfl_common.models.weights import Weights
from medfl_common.run.events import Asked, Statistics
from medfl_common.run.site_reply import SiteReply
from medfl_common.wire.results import TrainResult
from medfl_server.reports.heterogeneity import differences
from medfl_server.rounds.collect import Collection
from medfl_server.rounds.late_replies import LateReplies
from medfl_server.rounds.sent_once import SentOnce
from medfl_server.study.run_directory import Study
from medfl_server.superlink.transport import Announce, Post


def describe_sites(study: Study, post: Post, announce: Announce, late: LateReplies) -> None:
    """Ask every site once and log what they tell; who does not answer is not waited for long."""

    def nothing(site: str, result: TrainResult) -> None:
        return None

    no_weights: Weights = {}
    collection = Collection(study, post, announce, nothing, SentOnce({}), late)
    replies = collection.run("describe", 0, no_weights, lambda: 1)
    reported = {
        site: answered.result.statistics
        for site, answered in replies.answered.items()
        if answered.result.statistics is not None
    }
    sites = {
        site: SiteReply.of_statistics(
            counts, replies.answered[site].bytes_received, replies.answered[site].bytes_sent
        )
        for site, counts in reported.items()
    }
    study.log.add(Statistics(Asked.of_replies(0, None, sites, replies.missing).facts))
    for site, remarks in differences(reported).items():
        for remark in remarks:
            announce(f"{site}: {remark}")
