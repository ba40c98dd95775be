"""Whether a study has ended here, by what it left: the book of questions and a final model."""

from pathlib import Path

from medfl_client.config.folder import StateFolder
from medfl_client.egress import ledger


def has_finished(state: Path) -> bool:
    """Say whether the run that asked here last has left its final model here."""
    newest = next(ledger.newest_first(StateFolder(state).questions), {})
    run = str(newest.get("run", ""))
    return bool(run) and (StateFolder(state).models / run).exists()
