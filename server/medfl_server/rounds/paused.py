"""A study that rests: too few sites answered, or a person wants it so."""

from pathlib import Path

from medfl_common.errors import RunError
from medfl_common.run.events import Paused
from medfl_server.rounds.disk_retry import RetryingLog
from medfl_server.study.pause_wish import RESTS, wish_in


class PausedError(RunError):
    """Too few sites answered too often, or a person wished it; the study can go on later."""

    message = ""  # a person's, to the hospitals


def heed_pause(folder: Path, log: RetryingLog, round_: int, is_mid_round: bool = False) -> None:
    """Raise PausedError where a person wants the study to rest.

    Args:
        folder: The study's.
        log: Takes the event.
        round_: The last round made.
        is_mid_round: Whether only who wants it now is heeded.
    """
    wish = wish_in(folder)
    if wish is None or (is_mid_round and not wish.is_now):
        return
    log.add(Paused.by_person(round_, wish.by, wish.message))
    error = PausedError(
        f"after round {round_}: {wish.in_words}",
        todo=f"medfl-server resume {folder} lets it go on",
        data="nothing is lost",
    )
    error.message, error.status = wish.message, RESTS
    raise error
