"""The weights of the best round so far, beside the checkpoints; comparison says which it is."""

from pathlib import Path

from safetensors.torch import load, save

from medfl_common.files import write_atomic
from medfl_common.metrics.box_counts import N_COARSE_BOX_BINS, BoxCounts, in_fewer_bins
from medfl_common.metrics.counts import N_COARSE_BINS, ScoreCounts, coarser
from medfl_common.metrics.dense_counts import DenseCounts
from medfl_common.models.weights import Weights
from medfl_common.plan.halves import at_coordinator
from medfl_common.plan.plan import Plan
from medfl_common.run.best import Best
from medfl_common.run.choice import Choice
from medfl_common.run.events import RoundMade
from medfl_common.run.tallies import has_counts
from medfl_server.reports.scores import SUMMED, dense_counts_in, model_round, score_counts_in
from medfl_server.rounds.comparison import Comparison, SiteCounts
from medfl_server.rounds.outcome import Replies


class BestRound:
    """Compares the models of a study's rounds, and keeps the weights that may be its result."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._folder = folder
        self._comparison = Comparison(plan)
        self._is_compared = not at_coordinator(plan.federation).chooses_sites

    def restore(self, rounds: list[RoundMade]) -> None:
        """Take in the rounds that the log holds; one whose counts are lost is not compared."""
        for event in rounds:
            if has_counts(event):
                self._add(model_round(event), score_counts_in(event) or dense_counts_in(event))
        paths = self._folder.glob("best-*.safetensors")
        self._comparison.forget_lost({int(path.stem.removeprefix("best-")) for path in paths})

    def add(self, round_: int, replies: Replies) -> None:
        """Take in how the sites scored a round's model."""
        if replies.pooled is not None:
            whole = replies.pooled.score_counts
            self._add(round_, {} if whole is None else {SUMMED: whole})
            return
        results = {site: answered.result for site, answered in replies.answered.items()}
        counts = {
            site: own.score_counts or own.mask_counts or own.box_counts
            for site, own in results.items()
        }
        self._add(round_, {site: own for site, own in counts.items() if own is not None})

    def _add(self, round_: int, counts: SiteCounts) -> None:
        # At the end histograms are finer: rounds are compared in the bins that all of them have.
        # Those of cases stay as they are: their means tell, which bins do not change.
        if self._is_compared:
            self._comparison.add(round_, {site: _alike(own) for site, own in counts.items()})

    @property
    def best(self) -> Best | None:
        """Give the best of the compared rounds so far."""
        return self._comparison.best()

    @property
    def choice(self) -> Choice:
        """Say which round is the result, and why."""
        if not self._is_compared:
            return Choice("algorithm")
        found = self._comparison.choice()
        return Choice("plan") if self._plan.evaluation.keep == "last" else found

    def is_over(self) -> bool:
        """Say whether the plan's patience is spent: so many compared rounds were no better."""
        patience = self._plan.evaluation.early_stop
        if patience is None or self.best is None:
            return False
        return self._comparison.n_since_best() >= patience

    def keep_weights(self, round_: int, weights: Weights) -> None:
        """Write the weights of a round that may be the result, before the next checkpoint."""
        if round_ in self._comparison.best_rounds:
            write_atomic(self._path(round_), save(weights))

    def load_weights(self, round_: int) -> Weights | None:
        """Read a round's weights; None where a damaged checkpoint has cost them."""
        path = self._path(round_)
        return load(path.read_bytes()) if path.exists() else None

    def forget_others(self) -> None:
        """Remove the weights of rounds that cannot be the result any more."""
        needed = {self._path(round_) for round_ in self._comparison.best_rounds}
        for path in self._folder.glob("best-*.safetensors"):
            if path not in needed:
                path.unlink()

    def _path(self, round_: int) -> Path:
        return self._folder / f"best-{round_:04d}.safetensors"


def _alike(counts: ScoreCounts | DenseCounts) -> ScoreCounts | DenseCounts:
    if isinstance(counts, ScoreCounts):
        return coarser(counts, N_COARSE_BINS)
    return in_fewer_bins(counts, N_COARSE_BOX_BINS) if isinstance(counts, BoxCounts) else counts
