"""Is a reply what was asked for? What fails is quarantined with a reason, and the round goes on."""

from flwr.app import RecordDict

from medfl_common.errors import MedflError, RunError
from medfl_common.records import (
    Shapes,
    TrainResult,
    TrainTask,
    decode_result,
    plan_number,
)

MAX_IMAGES = 10**8  # one site trains on fewer


def admit(content: RecordDict, task: TrainTask, shapes: Shapes) -> TrainResult:
    """Read a reply that belongs to the task, is finite and has the right shapes, or raise RunError.

    A reply with a code is admitted as what it is: a site that says it could not.
    """
    try:
        result = decode_result(content, shapes, task.plan)
    except (MedflError, ValueError, TypeError, OverflowError) as error:
        raise RunError(str(error)) from None
    seen = (result.plan, result.round, result.nonce)
    unread = result.code != 0 and seen == (0, 0, 0)  # the site could not read the task
    if not unread and seen != (plan_number(task.plan), task.round, task.nonce):
        raise RunError("the reply belongs to another plan, round or request")
    if result.code == 0:
        _check_numbers(result, task)
    return result


def _check_groups(result: TrainResult) -> None:
    """Groups of one kind are parts of the whole."""
    for kind, tallies in result.groups.items():
        whole = result.tally
        if whole is None or (sum(t.confusion for t in tallies) > whole.confusion).any():
            raise RunError(f"the groups by {kind} count more images than were scored")


def _check_numbers(result: TrainResult, task: TrainTask) -> None:
    if task.kind == "train":
        if result.update is None:
            raise RunError("the reply has no update")
        if not 1 <= result.n_images <= MAX_IMAGES:
            raise RunError(f"n_images is {result.n_images}; 1 to {MAX_IMAGES} is possible")
    if task.kind == "describe" and result.statistics is None:
        raise RunError("the reply has no statistics")
    if not result.is_finite:
        raise RunError("a weight, loss or metric is a NaN or an infinity")
    if result.tally is not None:
        n, counts = result.tally.n, result.tally.confusion
        is_multilabel = counts.ndim == 3  # then not every finding is known of every image
        per_image = counts.sum(axis=(1, 2)).max() if is_multilabel else counts.sum()
        adds_up = per_image <= n if is_multilabel else per_image == n
        if not adds_up or not 1 <= n <= MAX_IMAGES:
            raise RunError(f"the confusion counts do not add up to n_scored {n}")
    _check_groups(result)
