"""The end of a study: the last model is scored, the result chosen, and tested on who chose nothing.

Each step is in the log before the next, so a coordinator that was ended goes on where it was.
"""

from collections.abc import Callable
from dataclasses import replace

from medfl_common.models.weights import Weights
from medfl_common.plan.plan import Plan
from medfl_common.run.checkpoint import Checkpoint, digest
from medfl_common.run.events import Finished, ModelScored, ScoredOnTest
from medfl_common.wire.tasks import Kind
from medfl_server.reports.choice import why
from medfl_server.rounds.best_round import BestRound
from medfl_server.rounds.disk_retry import RetryingLog
from medfl_server.rounds.outcome import Replies
from medfl_server.rounds.outside import OutsideHospitals
from medfl_server.rounds.round_facts import facts_of_round, summary
from medfl_server.superlink.transport import Announce


class Ending:
    """What follows the last round.

    Args:
        plan: The study's.
        log: Takes the events.
        best: Knows which round's model is best.
        sites_keep_models: Whether a site keeps the final model; virtual ones do not.
        ask: Has a model scored by a quorum.
        outside: Hospitals that only score.
        announce: Takes one line per event.
    """

    def __init__(
        self,
        plan: Plan,
        log: RetryingLog,
        best: BestRound,
        sites_keep_models: bool,
        ask: Callable[[Kind, Checkpoint], Replies],
        outside: OutsideHospitals,
        announce: Announce,
    ) -> None:
        self._plan = plan
        self._log = log
        self._best = best
        self._sites_keep_models = sites_keep_models
        self._ask = ask
        self._outside = outside
        self._announce = announce

    def finish(self, last: Checkpoint) -> Weights:
        """Have the last model scored everywhere, and the best one where it is another; close."""
        replies = self._score(last)
        self._best.add(last.round, replies)
        best, choice, kept = self._best.best, self._best.choice, last
        if best is not None and best.round != last.round and choice.is_best:
            weights = self._best.load_weights(best.round)
            if weights is None:
                choice = replace(choice, why="weights_gone")
            else:
                if not any(event.round == last.round for event in self._log.read(ModelScored)):
                    self._log.add(ModelScored(facts_of_round(last.round, replies).facts))
                self._announce(f"model of round {last.round}: {summary(replies)}")
                kept = Checkpoint(best.round, weights, {})
                replies = self._score(kept)
        self._test(kept)
        self._outside.score(kept)
        asked = facts_of_round(kept.round, replies)
        self._log.add(Finished.of_end(digest(kept.weights), asked, best, last.round, choice))
        self._announce(f"final model, of round {kept.round}: {summary(replies)}")
        self._announce(f"why this round: {why(choice)}")
        return kept.weights

    def _score(self, model: Checkpoint) -> Replies:
        """Have a finished model scored everywhere, and kept there; nobody is asked in vain."""
        if self._sites_keep_models or self._plan.evaluation.validation:
            return self._ask("evaluate", model)
        return Replies()

    def _test(self, kept: Checkpoint) -> None:
        """Have the result scored on the test parts, once."""
        sha256 = digest(kept.weights)
        is_done = any(event.sha256 == sha256 for event in self._log.read(ScoredOnTest))
        if is_done or not self._plan.evaluation.test:
            return
        replies = self._ask("test", kept)
        self._log.add(ScoredOnTest.of_model(sha256, facts_of_round(kept.round, replies)))
        if any(one.result.is_scored for one in replies.answered.values()):
            self._announce(f"final model on test patients: {summary(replies, 'test')}")
