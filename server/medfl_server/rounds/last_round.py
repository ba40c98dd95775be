"""Which round is the last: the plan's, that in which a person ends the study, or an early one."""

from pathlib import Path

from medfl_common.run.decisions import Stopped
from medfl_server.rounds.best_round import BestRound
from medfl_server.rounds.disk_retry import RetryingLog
from medfl_server.study.run_directory import Study
from medfl_server.study.stop_wish import forget_stop, stop_in
from medfl_server.superlink.transport import Announce


class LastRound:
    """Says after each round whether another one follows.

    Args:
        study: The run directory and its plan.
        log: Takes the event where a person ends the study.
        best: Knows how many rounds brought no better model.
        announce: Takes the line that says why no round follows.
    """

    def __init__(self, study: Study, log: RetryingLog, best: BestRound, announce: Announce) -> None:
        self._folder: Path = study.folder
        self._n_rounds = study.plan.federation.rounds
        self._log, self._best, self._announce = log, best, announce
        self._stopped = next(iter(log.read(Stopped)), None)  # before this process was started

    def is_made(self, round_: int) -> bool:
        """Say whether no round follows this one; 0 is the start."""
        if round_ >= self._n_rounds:
            forget_stop(self._folder)
            return True
        return (round_ > 0 and self._is_stopped(round_)) or self._is_patience_spent(round_)

    def _is_stopped(self, round_: int) -> bool:
        """Say whether a person has ended the study; the log has it before the file goes."""
        if self._stopped is None:
            wish = stop_in(self._folder)
            if wish is None:
                return False
            self._stopped = Stopped.by_person(round_, wish.by, wish.reason)
            self._log.add(self._stopped)
        forget_stop(self._folder)
        self._announce(self._stopped.in_words(self._n_rounds))
        return True

    def _is_patience_spent(self, round_: int) -> bool:
        if not self._best.is_over():
            return False
        best = self._best.best
        since = "" if best is None else f": no round was better since {best.round}"
        self._announce(f"stopped after round {round_}{since}")
        return True
