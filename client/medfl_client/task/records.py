"""What a site notes of its answers: lines of the ledger and incidents, also on a full disk."""

import time
import traceback
from functools import partial
from pathlib import Path

from flwr.app import RecordDict

from medfl_client.config.folder import StateFolder
from medfl_client.egress import ledger
from medfl_client.egress.receipt import decision_of, write_receipt
from medfl_client.task.session import Session
from medfl_client.task.site import Site
from medfl_common.full import full_disk
from medfl_common.wire.tasks import TrainTask
from medfl_common.wire.tensors import Shapes


def write_ledger(
    site: Site,
    task: TrainTask | None,
    reply: RecordDict,
    shapes: Shapes,
    decision: str,
    left_at: float | None = None,
) -> None:
    """Write down what is about to leave; a virtual hospital keeps no ledger."""
    if site.state is not None:
        write_receipt(site.state, task, reply, shapes, site.server, decision, site.policy, left_at)


def note_refusal(
    site: Site,
    task: TrainTask | None,
    reply: RecordDict,
    session: Session,
    incident: int,
    error: Exception,
) -> None:
    """Write down a code that leaves; on a full disk it leaves all the same, and its line follows.

    It says nothing of data, and the coordinator must hear why there is no answer.
    """
    write = partial(write_ledger, site, task, reply, {}, decision_of(error), time.time())
    try:
        _write_incident(site.state, incident, error)
        write_owed(session)
        write()
    except OSError as refused:
        if not full_disk(refused):
            raise
        session.owed.append(write)


def write_owed(session: Session) -> None:
    """Write the lines for which there was no room."""
    while session.owed:
        session.owed[0]()
        session.owed.popleft()


def _write_incident(state: Path | None, incident: int, error: Exception) -> None:
    if state is None:
        return
    ledger.append(
        StateFolder(state).incidents,
        {"incident": incident, "error": "".join(traceback.format_exception(error))},
    )
