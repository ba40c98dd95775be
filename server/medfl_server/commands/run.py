"""`medfl-server run`: the port for the hospitals, the round loop, the report."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from medfl_common.plan.plan import Plan
from medfl_common.ui.screen import Screen, log_to
from medfl_server.commands.serving import serving
from medfl_server.roster.enrolment import LiveRoster, Roster
from medfl_server.study.coordinator import is_coordinator
from medfl_server.study.pause_wish import refuse_while_paused
from medfl_server.study.run_directory import Study, open_study

if TYPE_CHECKING:
    from medfl_server.superlink.superlink import SuperLink


def run_and_report(folder: Path, bind: str, port: int, metrics_port: int | None) -> None:
    """Run a study, or all below a directory, to the final models and the reports."""
    screen = Screen()
    if is_coordinator(folder):
        from medfl_server.commands.several import run_several

        run_several(folder, bind, port, metrics_port, screen)
        return
    study = open_study(folder)
    screen.say("starting")
    with serving(folder):
        refuse_while_paused(folder)
        run_study(study, bind, port, metrics_port, screen)
        report_study(study, screen)


def run_study(study: Study, bind: str, port: int, metrics_port: int | None, screen: Screen) -> None:
    """Serve the hospitals and make the rounds, until the study is finished."""
    from medfl_server.rounds.app import build_app
    from medfl_server.superlink.task_signer import TaskSigner

    names = names_of(study, LiveRoster(study.folder)())
    link, read_roster = open_port(study, bind, port, names, screen)
    connected_sites = link.connected_sites
    if metrics_port is not None:
        from medfl_server.prometheus import watch

        connected_sites = watch(study, connected_sites, metrics_port)
    with screen.progress(study.plan.federation.rounds) as follow:
        signer = TaskSigner(study.folder)
        link.run(build_app(study, read_roster, connected_sites, screen.say, follow, signer=signer))


def open_port(
    study: Study, bind: str, port: int, names: Iterable[str], screen: Screen
) -> "tuple[SuperLink, LiveRoster]":
    """Listen for hospitals; give where they connect, and the roster as it is at any time."""
    from medfl_server.superlink.join_desk import Joining
    from medfl_server.superlink.listener import Listener
    from medfl_server.superlink.superlink import SuperLink

    made, read_roster = study.files, LiveRoster(study.folder)
    log_to(made.superlink_log)
    say_keys(study, screen)
    listener = Listener(
        bind, port, made.server_certificate, made.server_key, largest_reply(study.plan)
    )
    link = SuperLink(read_roster, listener, screen.say, Joining(study.folder, screen.say))
    screen.say(f"listening on port {port} for {', '.join(names)}")
    return link, read_roster


def largest_reply(plan: Plan) -> int:
    """Bound a reply's bytes: the update twice, and room for counts."""
    from medfl_common.wire.cost import sizes

    return 2 * sizes(plan)[1] + 2**26


def report_study(study: Study, screen: Screen) -> None:
    """Write the report and the model card, and show the final table."""
    from medfl_server.reports.model_card import write_model_card
    from medfl_server.reports.report import write_report
    from medfl_server.reports.sections.result import final_table

    path = write_report(study)
    screen.table(*final_table(study))
    screen.say(f"report: {path}")
    card = write_model_card(study)
    if card is not None:
        screen.say(f"model card: {card}")


def names_of(study: Study, roster: Roster) -> list[str]:
    """Name who takes part or may still come; raises ConfigError where too few of them train."""
    from medfl_server.aggregation.aggregator import check_roster
    from medfl_server.roster.invitations import expected_sites

    coming = expected_sites(study.folder)
    n_training = sum(site.role == "train" for site in roster.values())
    check_roster(study.plan.federation, n_training + len(coming))
    return [*roster, *(f"{site} (invited)" for site in coming)]


def say_keys(study: Study, screen: Screen) -> None:
    """Say when certificates end, the study key's fingerprint, and who waits to be admitted."""
    from medfl_server.roster.certificates import expiry_warning
    from medfl_server.roster.invitations import waiting
    from medfl_server.roster.study_key import ensure_study_key, study_fingerprint
    from medfl_server.superlink.join_desk import asks

    warning = expiry_warning(study.folder, datetime.now(UTC))
    if warning is not None:
        screen.say(warning)
    if ensure_study_key(study.folder):
        screen.say("made the study key, which this version signs tasks with")
    screen.say(f"fingerprint of the study key: {study_fingerprint(study.folder)}")
    for one in waiting(study.folder).values():
        screen.say(asks(one, study.folder))
