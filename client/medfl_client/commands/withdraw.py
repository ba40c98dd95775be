"""`medfl-client withdraw`: record the withdrawal first, then end the running client.

A client that works for other studies of the hospital goes on for these: it only cuts its
connection, so that nothing which was on its way arrives.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from medfl_client.config.folder import SiteFolder, StateFolder
from medfl_client.config.site_file import load_site_file
from medfl_client.config.studies import CUT, running_state, study_folders
from medfl_client.egress import budget, ledger
from medfl_client.egress.approvals import Record, read_records, write_record
from medfl_client.egress.message_entry import MessageEntry
from medfl_common.errors import ConfigError, RunError
from medfl_common.files import holder
from medfl_common.plan.plan import load_plan
from medfl_common.ui.screen import Screen

STOP_S = 10.0  # for a running client to end by itself
LOOK_S = 0.05  # between looks whether it has

Plans = dict[str, tuple[str, str]]  # hash -> study, canonical plan


def withdraw(folder: Path, plan_file: Path | None, every: bool, screen: Screen) -> None:
    """Record a withdrawal from one plan or all, and stop a client that runs on this directory.

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
        _record_withdrawal(state, plans, screen)  # first: from now on the guard releases nothing
    finally:
        if len(study_folders(folder)) > 1:
            _cut_connection(running_state(folder), screen)
        else:
            _stop_client(state, screen)
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


def _record_withdrawal(state: Path, plans: Plans, screen: Screen) -> None:
    if not plans:
        screen.say("this site has approved no plan; there is nothing to withdraw from")
        return
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    for plan, (study, canonical) in plans.items():
        write_record(state, "withdraw", plan, study, canonical)
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


def _cut_connection(state: Path, screen: Screen) -> None:
    """Have the client that holds `state/lock` connect anew; the guard releases nothing more."""
    if not holder(state):
        return
    process = _holder(state)
    with suppress(ProcessLookupError):
        _signal(process, CUT)
    screen.say(f"the client that runs here, process {process}, goes on for the other studies")


def _signal(process: int, number: signal.Signals) -> None:
    try:
        os.kill(process, number)
    except PermissionError:
        raise RunError(
            f"process {process} belongs to another user", todo="stop it by hand"
        ) from None


def _stop_client(state: Path, screen: Screen) -> None:
    """End the client that holds `state/lock`: ask, wait, then kill."""
    if not holder(state):
        return
    process = _holder(state)
    screen.say(f"stopping the client that runs here, process {process}")
    with suppress(ProcessLookupError):  # it has ended by itself
        _signal(process, signal.SIGTERM)
        if not _is_free_within(state, STOP_S):
            _signal(process, signal.SIGKILL)
    if not _is_free_within(state, STOP_S):
        raise RunError(f"process {process} does not end", todo="stop it by hand")
    screen.say("it has ended")


def _holder(state: Path) -> int:
    """Read who holds the lock; twice, because a client that starts writes its id after locking."""
    for _ in range(10):
        first = holder(state)
        time.sleep(LOOK_S)
        if first.isdigit() and first == holder(state):
            return int(first)
    raise RunError(
        f"{StateFolder(state).lock} is locked, and does not name the process",
        todo="stop the client by hand",
    )


def _is_free_within(state: Path, seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while holder(state):
        if time.monotonic() > ends:
            return False
        time.sleep(LOOK_S)
    return True
