"""The guard: the only way out of a hospital. It allows by list; what is not listed stays.

`permit` looks at a plan before any data is read, `release` at a result before it becomes a message,
`refuse` makes the message of a failure. No other module of the client makes a message.
"""

from dataclasses import replace

from flwr.app import RecordDict

from medfl_client.site_file import Policy
from medfl_common.errors import DisclosureError
from medfl_common.metrics import Tally
from medfl_common.plan import Plan, Task
from medfl_common.records import (
    Kind,
    Shapes,
    TrainResult,
    TrainTask,
    encode_result,
    n_bytes,
    plan_number,
)
from medfl_common.statistics import SiteStatistics, suppressed
from medfl_common.subgroups import suppressed_groups


def permit(plan: Plan, policy: Policy, kind: Kind = "train") -> None:
    """Refuse what the site's policy, or the plan itself, does not allow; raises DisclosureError."""
    if kind == "describe" and not plan.federation.statistics:
        raise DisclosureError(
            "the coordinator asks for statistics, the plan does not (federation.statistics); no "
            "data was read"
        )
    if policy.models != "all" and plan.model.name not in policy.models:
        raise DisclosureError(
            f"the plan trains {plan.model.name!r}, policy.models allows "
            f"{', '.join(policy.models)}; no data was read"
        )
    if plan.federation.rounds > policy.max_rounds:
        raise DisclosureError(
            f"the plan has {plan.federation.rounds} rounds, policy.max_rounds allows "
            f"{policy.max_rounds}; no data was read"
        )


def release(result: TrainResult, task: TrainTask, policy: Policy, shapes: Shapes) -> RecordDict:
    """Turn a result into the message that leaves, or raise DisclosureError and send nothing.

    Scores on a class with fewer images than the smallest cell are taken out, the update stays.
    """
    if (result.plan, result.round, result.nonce) != (
        plan_number(task.plan),
        task.round,
        task.nonce,
    ):
        raise DisclosureError("the result does not belong to the task; nothing was sent")
    if result.update is not None:
        _check_update(result, policy, shapes)
    if result.statistics is not None:
        if task.kind != "describe":
            raise DisclosureError("statistics were not asked for; nothing was sent")
        result = replace(result, statistics=_permitted(result.statistics, task.plan.task, policy))
    if result.tally is not None and not _is_large_enough(result.tally, policy):
        result = replace(result, tally=None, exact_auc=None)
    if result.groups:
        result = replace(result, groups=_permitted_groups(result, task, policy))
    if not result.is_finite:
        raise DisclosureError("a weight, loss or metric is a NaN or an infinity; nothing was sent")
    content = encode_result(result)
    size = n_bytes(content) / 1e6
    if size > policy.max_message_mb:
        raise DisclosureError(
            f"the reply has {size:.1f} MB, policy.max_message_mb is {policy.max_message_mb}; "
            "nothing was sent"
        )
    return content


def refuse(task: TrainTask | None, code: int, incident: int) -> RecordDict:
    """Make the message that says a task could not be done: a code and an incident number."""
    if task is None:  # it could not even be read
        return encode_result(TrainResult(plan=0, round=0, nonce=0, code=code, incident=incident))
    number = plan_number(task.plan)
    return encode_result(TrainResult(number, task.round, task.nonce, code, incident))


def _check_update(result: TrainResult, policy: Policy, shapes: Shapes) -> None:
    update = result.update or {}
    if result.n_images < policy.min_images:
        raise DisclosureError(
            f"trained on {result.n_images} images, policy.min_images is {policy.min_images}; "
            "nothing was sent"
        )
    if {name: tuple(tensor.shape) for name, tensor in update.items()} != dict(shapes):
        raise DisclosureError(
            "the update has other tensors than the plan's model; nothing was sent"
        )


def _permitted(statistics: SiteStatistics, task: Task, policy: Policy) -> SiteStatistics:
    """Take small counts out of a site's statistics, or raise where none may leave."""
    if not policy.share_statistics:
        raise DisclosureError("policy.share_statistics is false; nothing was sent")
    if statistics.samples < policy.min_images:
        raise DisclosureError(
            f"the statistics are of {statistics.samples} images, policy.min_images is "
            f"{policy.min_images}; nothing was sent"
        )
    return suppressed(statistics, policy.min_cell, task)


def _permitted_groups(
    result: TrainResult, task: TrainTask, policy: Policy
) -> dict[str, list[Tally]]:
    """Take small groups out; none leave where the whole stays or the policy says so."""
    if task.kind != "evaluate" or result.tally is None or not policy.share_subgroups:
        return {}
    return suppressed_groups(result.groups, result.tally, policy.min_cell)


def _is_large_enough(tally: Tally, policy: Policy) -> bool:
    """Every class is absent or has at least the smallest cell of images.

    Multilabel: so many images with each finding, and so many without.
    """
    per_class = tally.confusion.sum(axis=-1)
    return all(n == 0 or n >= policy.min_cell for n in per_class.ravel().tolist())
