"""What `medfl-server score` does: serve the hospitals until they have scored a model."""

from collections.abc import Callable, Mapping, Sequence

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from medfl_common.run.checkpoint import Checkpoint
from medfl_common.run.events import FileScored, WithModel
from medfl_common.ui.screen import Screen
from medfl_server.commands.run import open_port
from medfl_server.reports.scores import score_sites
from medfl_server.reports.sections.result import header_of, score_rows
from medfl_server.roster.enrolment import Roster
from medfl_server.roster.enrolment import read_roster as roster_of
from medfl_server.rounds.app import TTL_MARGIN_S
from medfl_server.rounds.goodbye import goodbye_where_it_rests, say_goodbye
from medfl_server.rounds.later_scoring import LaterScoring, model_to_score
from medfl_server.steering.scoring import check_sites
from medfl_server.study.deadline import longest_s
from medfl_server.study.run_directory import Study
from medfl_server.superlink.task_signer import TaskSigner
from medfl_server.superlink.transport import ConnectedSite, Post, ReadRoster


def score_study(
    study: Study, wish: str, chosen: Sequence[str], bind: str, port: int, screen: Screen
) -> None:
    """Serve the hospitals until each of the chosen has scored a model, or the deadline is over."""
    roster = roster_of(study.folder)
    check_sites(study.folder, chosen)
    model = model_to_score(study, wish)
    link, read_roster = open_port(study, bind, port, chosen or roster, screen)
    signer, scored = TaskSigner(study.folder), list[WithModel]()
    app = _scoring_app(
        study, read_roster, link.connected_sites, screen, signer, model, chosen, scored
    )
    link.run(app)
    for event in scored:
        if score_sites(event):
            rows = score_rows(event, study.plan)
            screen.table(header_of(study.plan), rows, _title(event, roster, wish))


def _title(event: WithModel, roster: Roster, wish: str) -> str:
    """Name the model and the patients of a table."""
    is_outside = any(roster[site].role == "evaluate" for site in event.sites)
    where = "outside hospitals" if is_outside else "test patients"
    what = (
        f"weights in {wish}" if isinstance(event, FileScored) else f"model of round {event.round}"
    )
    return f"{what} on {where}"


def _scoring_app(
    study: Study,
    roster: ReadRoster,
    connected_sites: Callable[[], Mapping[str, ConnectedSite]],
    screen: Screen,
    signer: TaskSigner,
    model: Checkpoint,
    chosen: Sequence[str],
    scored: list[WithModel],
) -> ServerApp:
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        ttl_s = longest_s(study.plan.federation) + TTL_MARGIN_S
        post = Post(grid, connected_sites, roster, ttl_s, signer=signer)
        with goodbye_where_it_rests(study, post):
            scored.extend(LaterScoring(study, post, screen.say).run(model, chosen or None))
        say_goodbye(study, post, "finished")

    return app
