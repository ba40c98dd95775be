"""The line that tells the eyes of a site what a task gave and what left."""

from flwr.app import RecordDict

from medfl_client.config.site_file import Policy
from medfl_client.egress.guard import why_no_scores
from medfl_common.metrics.counts import auc
from medfl_common.metrics.dense_counts import dense_scores, fewest_in, main_dense_score
from medfl_common.metrics.enough import case_digits, digits
from medfl_common.metrics.mask_estimates import of_cases
from medfl_common.ui.screen import in_words
from medfl_common.wire.digest import MASKED, n_bytes
from medfl_common.wire.results import TrainResult
from medfl_common.wire.tasks import TrainTask

PART = {"evaluate": "validation", "test": "test"}


def line_of(
    result: TrainResult, task: TrainTask, reply: RecordDict, policy: Policy, left: float | None
) -> str:
    """Say what was scored and trained, what left, and how many seconds are `left`."""
    n_rounds = task.plan.federation.rounds
    what = f"the model of round {task.round} is scored, on {PART.get(task.kind)} patients"
    parts = [what if task.is_scoring else f"round {task.round} of {n_rounds}"]
    if result.statistics is not None:
        parts = [f"statistics of {result.statistics.samples} samples, as the policy allows"]
    if result.is_scored:
        parts.append(f"global model here: {scores_in_words(result)}")
        if MASKED in reply:
            parts.append("masked: only sums of the hospitals can be read")
        elif "n_scored" not in reply.metric_records["numbers"]:
            what = "cases" if task.plan.task.is_dense else "images"
            parts.append(f"scores withheld: {why_no_scores(policy, what)}")
    if result.update is not None and task.plan.privacy.noise is not None:
        parts.append(f"trained with noise; {result.n_images} patients are told, as site.yaml says")
    elif result.update is not None:
        parts.append(f"trained on {result.n_images} images, loss {result.train_loss:.3f}")
    parts.append(f"{n_bytes(reply) / 1e6:.2f} MB sent after {result.seconds:.1f} s")
    if left is not None and not task.is_scoring:
        parts.append(f"{in_words(left)} left")
    return "; ".join(parts)


def scores_in_words(result: TrainResult) -> str:
    """Give loss and AUC, Dice or FROC of a result with scores."""
    if (dense := result.mask_counts or result.box_counts) is not None:
        name, word = main_dense_score(dense)
        value, n, n_with = dense_scores(dense)[name], dense.n, fewest_in(dense)
        shown = "n/a" if value is None else f"{value:.{case_digits(n_with)}f}"
        loss = f"{dense.loss:.{case_digits(n)}f}"
        return f"loss {loss}, {word} {shown} on {of_cases(n, n_with, 'cases')}"
    counts = result.score_counts
    if counts is None:
        return "no scores"
    area, n = auc(counts), counts.n
    shown = "n/a" if area is None else f"{area:.{digits(n)}f}"
    return f"loss {counts.loss:.{digits(n)}f}, AUC {shown} on {n} images"
