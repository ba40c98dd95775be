"""The Flower ServerApp. Glue only: a Grid in, the round loop, the final weights into the run."""

from collections.abc import Callable, Container, Mapping
from dataclasses import replace

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from medfl_common.errors import explain_code
from medfl_common.metrics.counts import merge
from medfl_common.run.events import Finished
from medfl_common.run.model_file import read_scores, save_model
from medfl_server.reports.scores import n_scoring_in, score_counts_in
from medfl_server.reports.told_features import told_features
from medfl_server.rounds.goodbye import goodbye_where_it_rests, say_goodbye
from medfl_server.rounds.live import UNSEEN, LiveFile, told_live
from medfl_server.rounds.loop import RoundLoop
from medfl_server.rounds.pending import Speed
from medfl_server.rounds.progress import Follow
from medfl_server.study.deadline import longest_s
from medfl_server.study.initial_weights import initial_weights
from medfl_server.study.run_directory import Study
from medfl_server.superlink.allocator import quick_collections
from medfl_server.superlink.task_signer import TaskSigner
from medfl_server.superlink.transport import Announce, ConnectedSite, Explain, Post, ReadRoster

TTL_MARGIN_S = 3600.0  # a message may outlive its round's deadline by so much


def build_app(
    study: Study,
    roster: ReadRoster,
    connected_sites: Callable[[], Mapping[str, ConnectedSite]],
    announce: Announce,
    follow: Follow,
    sites_keep_models: bool = True,
    speed: Speed | None = None,
    explain: Explain = explain_code,
    signer: TaskSigner | None = None,
    outside: Container[str] = (),
    others_run: Callable[[], bool] = lambda: False,
    virtual_keys: Mapping[str, str] | None = None,
) -> ServerApp:
    """Make the app of one study, for real sites or virtual ones; see `RoundLoop` and `Post`.

    `others_run` says whether this process still makes rounds of other studies.
    """
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        ttl_s = longest_s(study.plan.federation) + TTL_MARGIN_S
        post = Post(
            grid, connected_sites, roster, ttl_s, explain, signer, outside, virtual_keys
        )  # fmt: skip
        live = LiveFile(study) if sites_keep_models else UNSEEN  # virtual hospitals take turns
        loop = RoundLoop(study, post, announce, follow, sites_keep_models, speed, live)
        with quick_collections(), goodbye_where_it_rests(study, post), told_live(live):
            shared = loop.run()
        _, start = initial_weights(study)
        finished = study.log.read(Finished)[-1]
        counted = score_counts_in(finished)
        whole = merge([*counted.values()]) if counted else None
        reading = read_scores(whole, study.plan, n_scoring_in(finished))
        reading = replace(reading, features=told_features(finished))
        save_model(study.folder, study.plan, start | shared, reading)
        live.forget()
        say_goodbye(study, post, "finished", others_run=others_run)

    return app
