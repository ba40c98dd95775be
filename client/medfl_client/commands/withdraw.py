"""`medfl-client withdraw`: record the withdrawal first, then end the running client.

A client that works for other studies of the hospital goes on for these: it only cuts its
connection, so that nothing which was on its way arrives.
"""

from pathlib import Path

from medfl_client.config.folder import SiteFolder, StateFolder
from medfl_client.config.site_file import load_site_file
from medfl_client.config.studies import running_state, study_folders
from medfl_client.connection.running import cut_connection, stop_client
from medfl_client.egress import budget, ledger
from medfl_client.egress.approvals import Record, read_records, write_record
from medfl_client.egress.message_entry import MessageEntry
from medfl_common.errors import ConfigError, RunError
from medfl_common.plan.plan import load_plan
from medfl_common.ui.told import Shows

Plans = dict[str, tuple[str, str]]  # hash -> study, canonical plan


def withdraw(
    folder: Path, plan_file: Path | None, every: bool, screen: Shows, by: str = ""
) -> None:
    """Record a withdrawal from one plan or all, and stop a client that runs on this directory.

    It is written down under a person's name, or the login name of who runs this process.
    Raises ConfigError, and changes nothing, where it is not clear which plan is meant.
    """
    load_site_file(folder)  # or it is not a site's directory
    state = SiteFolder(folder).state
    chosen = load_plan(plan_file) if plan_file is not None else None
    plans = _approved_or_used(state)
    if chosen is not None:
        plans = {chosen.hash(): (chosen.study, chosen.canonical())}
    elif len(plans) > 1 and not every:
        raise _unclear(plans)
    try:
        _record_withdrawal(
            state, plans, screen, by
        )  # first: from now on the guard releases nothing
    finally:
        if len(study_folders(folder)) > 1:
            cut_connection(running_state(folder), screen.say)
        else:
            stop_client(state, screen.say)
    screen.say(
        "nothing more leaves for these plans. Nobody can call back what has left already; "
        f"medfl-client audit show {folder} lists it. Tell the coordinator that you have withdrawn"
    )


def _unclear(plans: Plans) -> ConfigError:
    named = ", ".join(f"{study} (plan {plan[:12]})" for plan, (study, _) in plans.items())
    return ConfigError(
        f"this site has approved {len(plans)} plans: {named}",
        todo="name the one to leave with --plan FILE, or leave all with --all",
        data="nothing was changed, and a running client goes on",
    )


def _record_withdrawal(state: Path, plans: Plans, screen: Shows, by: str) -> None:
    if not plans:
        screen.say("this site has approved no plan; there is nothing to withdraw from")
        return
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    for plan, (study, canonical) in plans.items():
        write_record(state, "withdraw", plan, study, canonical, by)
        screen.say(f"withdrawn from study {study}, plan {plan[:12]}")
    try:
        for plan in plans:
            budget.release(state, plan, "withdrawn")
    except RunError as error:
        screen.say(f"what the privacy budget keeps for it stays kept: {error}")


def _approved_or_used(state: Path) -> Plans:
    """List approved plans, and those that ran without approval."""
    latest: dict[str, Record] = {record.plan: record for record in read_records(state)}
    found = {r.plan: (r.study, r.canonical) for r in latest.values() if r.action == "approve"}
    for entry in map(MessageEntry, ledger.read_lines(StateFolder(state).ledger)):
        if entry.is_released and entry.plan not in latest:
            found[entry.plan] = (entry.study, "")
    return found
