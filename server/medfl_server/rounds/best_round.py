"""Which round's model is the best so far, by the plan's metric over all validation images."""

from pathlib import Path

from safetensors.torch import load, save

from medfl_common.files import write_atomic
from medfl_common.metrics.counts import merge, scores
from medfl_common.models.weights import Weights
from medfl_common.plan.halves import at_coordinator
from medfl_common.plan.plan import Plan
from medfl_common.run.checkpoint import Checkpoint
from medfl_common.run.events import Best, best_of
from medfl_server.rounds.outcome import Replies


def value_of(replies: Replies, plan: Plan) -> float | None:
    """Judge the model that these replies score.

    None where the sites let no scores out, or where other sites score in every round, some of them
    an older model: then the last model is taken.
    """
    if at_coordinator(plan.federation).chooses_sites:
        return None
    score_counts = [
        a.result.score_counts
        for a in replies.answered.values()
        if a.result.score_counts is not None
    ]
    if not score_counts:
        return None
    merged = merge(score_counts)
    if plan.evaluation.metric == "loss":
        return -merged.loss
    return scores(merged, quadratic=plan.task.type == "ordinal")[plan.evaluation.metric]


def read_best(checkpoint: Checkpoint) -> Best | None:
    """Read what a checkpoint knows of the best round."""
    return best_of(checkpoint.meta)


def better(known: Best | None, round_: int, value: float | None) -> Best | None:
    """Give the better of what is known and a round's model; of equals the earlier."""
    if value is None or (known is not None and value <= known.value):
        return known
    return Best(round_, value)


def keep_weights(folder: Path, best: Best, weights: Weights) -> None:
    """Write the best round's weights before the checkpoint that names them."""
    write_atomic(_path(folder, best.round), save(weights))


def load_weights(folder: Path, best: Best) -> Weights | None:
    """Read the best round's weights; None where a damaged checkpoint has cost them."""
    path = _path(folder, best.round)
    return load(path.read_bytes()) if path.exists() else None


def forget_others(folder: Path, best: Best | None) -> None:
    """Remove the weights of rounds that are the best no more."""
    for path in folder.glob("best-*.safetensors"):
        if best is None or path != _path(folder, best.round):
            path.unlink()


def _path(folder: Path, round_: int) -> Path:
    return folder / f"best-{round_:04d}.safetensors"
