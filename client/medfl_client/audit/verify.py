"""Hold the chained files, and what the coordinator signed of the ledger, against themselves."""

from pathlib import Path

from medfl_client.config.folder import StateFolder
from medfl_client.connection.study_key import pinned_keys
from medfl_client.egress import ledger, statements
from medfl_client.egress.privacy_ledger import why_not_whole
from medfl_common.errors import RunError
from medfl_common.ui.told import Shows


def verify(folder: Path, screen: Shows) -> None:
    """Say that each chained file is whole; raises RunError with the first changed line."""
    state = StateFolder.of(folder)
    for path in (state.ledger, state.approvals, state.questions, state.privacy):
        broken = ledger.first_broken_line(path)
        if broken is not None:
            raise RunError(
                f"{path}, line {broken.line}: {broken.what}",
                todo="put the file and its .head aside as evidence",
            )
        head = ledger.last(path)
        if head.n_lines:
            n = "1 line" if head.n_lines == 1 else f"{head.n_lines} lines"
            screen.say(f"{path.name} is whole: {n}, the last has hash {head.hash}")
        else:
            screen.say(f"{path.name} holds nothing yet")
    _verify_statements(state.path, screen)
    if why := why_not_whole(state.path):
        raise RunError(f"{state.privacy}: {why}", todo="put back the newest copy of the file")
    screen.say("note the hash elsewhere: rewriting the whole file changes it")


def _verify_statements(state: Path, screen: Shows) -> None:
    """Hold the ledger against what the coordinator has signed of it; RunError where it lacks."""
    newest, missing = statements.read(state)
    for told in [*missing, *filter(None, [newest])]:
        if not any(told.is_signed(key) for key in pinned_keys(state)):
            raise RunError(
                f"{StateFolder(state).statements}: a statement in it is not signed with the study "
                "key that is pinned here",
                todo="put the file aside as evidence",
            )
        if not statements.is_in_ledger(state, told):
            raise RunError(
                statements.lacks(told),
                todo="compare with the ledger's last line in `medfl-server roster` at the "
                f"coordinator. If an older copy was put back on purpose, note that and put "
                f"{StateFolder(state).statements} aside",
            )
    if newest is not None:
        screen.say(f"the coordinator has signed that it heard of line {newest.line}; it is there")
