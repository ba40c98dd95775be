"""What a plan brings as data: asked for once, kept by its hash, and here before anybody decides."""

from pathlib import Path

from flwr.app import RecordDict

from medfl_client.config.folder import StateFolder
from medfl_client.egress.approvals import approved
from medfl_common.errors import NoStartError
from medfl_common.plan.graph_files import keep, missing, take_kept
from medfl_common.plan.plan import Plan
from medfl_common.wire.graphs import unpack_graphs

MOST_WAITING = 40  # files that no approved plan names; the newest are kept


def have_graphs(message: RecordDict, plan: Plan, state: Path | None) -> None:
    """Take what came with a task, or was kept; nothing of it runs here.

    Raises NoStartError where it is to be sent, LinkError where another file came.
    """
    if state is not None:
        take_kept(plan, state)
    unpack_graphs(message, plan)
    if missing(plan):
        raise NoStartError(
            "what the plan brings as data is not here",
            todo="it is asked for",
            who="the coordinator",
        )
    if state is not None:
        keep(plan, state)
        _tidy(state, plan)


def _tidy(state: Path, plan: Plan) -> None:
    """Remove the oldest files that no approved plan names, where there are many."""
    folder = StateFolder(state).graphs
    files = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    if len(files) <= MOST_WAITING:
        return
    texts = [plan.canonical(), *(record.canonical for record in approved(state))]
    waiting = [path for path in files if not any(path.stem in text for text in texts)]
    for path in waiting[:-MOST_WAITING]:
        path.unlink(missing_ok=True)
