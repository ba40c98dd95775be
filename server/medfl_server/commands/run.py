"""`medfl-server run`: the port for the hospitals, the round loop, the report."""

from datetime import UTC, datetime

from medfl_common.ui.screen import Screen, log_to
from medfl_server.roster.enrolment import Roster
from medfl_server.study.run_directory import Study


def run_study(study: Study, bind: str, port: int, metrics_port: int | None, screen: Screen) -> None:
    """Serve the hospitals and make the rounds, until the study is finished."""
    from medfl_common.wire.cost import sizes
    from medfl_server.roster.enrolment import LiveRoster
    from medfl_server.rounds.app import build_app
    from medfl_server.superlink.join_desk import Joining
    from medfl_server.superlink.listener import Listener
    from medfl_server.superlink.superlink import SuperLink
    from medfl_server.superlink.task_signer import TaskSigner

    folder, made, read_roster = study.folder, study.files, LiveRoster(study.folder)
    names = _names(study, read_roster())
    log_to(made.superlink_log)
    _say_keys(study, screen)
    most = 2 * sizes(study.plan)[1] + 2**26  # the update twice, and room for counts
    listener = Listener(bind, port, made.server_certificate, made.server_key, most)
    link = SuperLink(read_roster, listener, screen.say, Joining(folder, screen.say))
    screen.say(f"listening on port {port} for {', '.join(names)}")
    connected_sites = link.connected_sites
    if metrics_port is not None:
        from medfl_server.prometheus import watch

        connected_sites = watch(study, connected_sites, metrics_port)
    with screen.progress(study.plan.federation.rounds) as follow:
        signer = TaskSigner(folder)
        link.run(build_app(study, read_roster, connected_sites, screen.say, follow, signer=signer))


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


def _names(study: Study, roster: Roster) -> list[str]:
    """Name who takes part or may still come; raises ConfigError where too few of them train."""
    from medfl_server.aggregation.aggregator import check_roster
    from medfl_server.roster.invitations import expected_sites

    coming = expected_sites(study.folder)
    n_training = sum(site.role == "train" for site in roster.values())
    check_roster(study.plan.federation, n_training + len(coming))
    return [*roster, *(f"{site} (invited)" for site in coming)]


def _say_keys(study: Study, screen: Screen) -> None:
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
