"""The guard: the only way out of a hospital. It allows by list; what is not listed stays.

`permit` looks at a plan before any data is read, `release` at a result before it becomes a message,
`let_out` at every finished message, kept ones too; `refuse` makes the message of a failure, and
`sign` adds the site's signature. No other module of the client makes a message.
"""

from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import RecordDict

from medfl_client.config.rules import RULES, rule
from medfl_client.config.site_file import Policy
from medfl_client.egress.box_rules import released_boxes
from medfl_client.egress.feature_rules import may_tell
from medfl_client.egress.held_back import held_back
from medfl_client.egress.inspection import inspect
from medfl_client.egress.mask_rules import released_masks
from medfl_client.egress.message_entry import NOTHING, Sent
from medfl_client.egress.network_rules import refuse_networks
from medfl_client.egress.participant_rules import released_participants
from medfl_client.egress.plugin_rules import refuse_plugins
from medfl_client.egress.start_weights import can_be_checked
from medfl_client.egress.sums.released import Mask, expected_of, only_masked
from medfl_client.egress.told_effects import released_effects
from medfl_common.errors import DisclosureError
from medfl_common.metrics.counts import N_BINS, N_COARSE_BINS, ScoreCounts, coarser
from medfl_common.metrics.membership import in_cells
from medfl_common.metrics.site_statistics import SiteStatistics, suppressed
from medfl_common.metrics.subgroups import suppressed_groups
from medfl_common.plan.plan import Plan
from medfl_common.plan.privacy import why_unbounded
from medfl_common.plan.task import Task
from medfl_common.wire.digest import SEAL, n_bytes
from medfl_common.wire.ledger_statement import LEDGER, LastLine
from medfl_common.wire.results import TrainResult, encode_result, plan_number
from medfl_common.wire.signature import SIGNATURE, seal
from medfl_common.wire.tasks import Kind, TrainTask
from medfl_common.wire.tensors import Shapes

UNREAD = "no data was read"


def permit(plan: Plan, policy: Policy, kind: Kind = "train") -> None:
    """Refuse what the site's policy, or the plan itself, does not allow; raises DisclosureError."""
    if plan.plugins:
        refuse_plugins(plan, policy)
    if plan.brings_data:
        refuse_networks(plan, policy)
    if kind == "describe" and not plan.federation.statistics:
        raise DisclosureError(
            "the coordinator asks for statistics, the plan does not (federation.statistics)",
            data=UNREAD,
        )
    if kind in ("train", "evaluate") and policy.role == "evaluate":
        raise _refused("this site only scores models, on all its patients", "role")
    if policy.models != "all" and plan.model.name not in policy.models:
        allowed = ", ".join(policy.models) or "none"
        raise _refused(f"the plan trains {plan.model.name!r}, allowed here: {allowed}", "models")
    if plan.federation.rounds > policy.max_rounds:
        n = plan.federation.rounds
        raise _refused(f"the plan has {n} rounds, {policy.max_rounds} are the most", "max_rounds")
    if plan.training.batch_size < policy.min_batch:
        n = plan.training.batch_size
        raise _refused(f"a step has {n} images, {policy.min_batch} are the fewest", "min_batch")
    if policy.start_weights == "own" and not can_be_checked(plan):
        raise _refused("this site cannot make the plan's start weights itself", "start_weights")
    if kind == "describe" and not policy.share_statistics:
        raise _refused("statistics of the data do not leave this site", "share_statistics")
    _check_protection(plan, policy)


def _check_protection(plan: Plan, policy: Policy) -> None:
    """Refuse a plan that protects less than the policy asks for."""
    sections = {"noise": plan.privacy.noise, "secure_sum": plan.privacy.secure_sum}
    wanted = [*sections] if policy.protection == "both" else [policy.protection]
    lacking = [f"privacy.{name}" for name in wanted if name in sections and sections[name] is None]
    if lacking:
        raise _refused(
            f"this site takes part only with {' and '.join(lacking)}, and the plan has none",
            "protection",
        )
    if policy.budget is not None and (why := why_unbounded(plan)):
        raise _refused(f"this site has a privacy budget, and {why}", "budget")


def _refused(what: str, setting: str) -> DisclosureError:
    error = DisclosureError(f"{what} {rule(setting)}", data=UNREAD)
    error.rule = RULES[setting][0]
    return error


def release(
    result: TrainResult,
    task: TrainTask,
    policy: Policy,
    shapes: Shapes,
    sent: Sent = NOTHING,
    mask: Mask | None = None,
) -> RecordDict:
    """Turn a result into the message that leaves, or raise DisclosureError and send nothing.

    Scores on a class with fewer images than the smallest cell are taken out, the update stays.

    Args:
        result: What the work gave.
        task: What was asked.
        policy: The site's.
        shapes: The update's tensors.
        sent: What has left before.
        mask: Masks what is left of the result, where the plan has secure sums.
    """
    if (result.plan, result.round, result.nonce) != (
        plan_number(task.plan),
        task.round,
        task.nonce,
    ):
        raise held_back("the result does not belong to the task")
    if result.update is not None:
        _check_update(result, policy, shapes)
    if result.features is not None and not may_tell(result, task, policy):
        result = replace(result, features=None)
    if result.membership is not None:
        is_shared = policy.shares("scores") and task.plan.evaluation.membership
        cells = in_cells(result.membership, policy.min_cell) if is_shared else None
        result = replace(result, membership=cells if task.is_scoring else None)
    if result.statistics is not None:
        if task.kind != "describe":
            raise held_back("statistics were not asked for")
        result = replace(result, statistics=_permitted(result.statistics, task.plan.task, policy))
    result = released_participants(result, task.plan, policy)
    result = _permitted_metrics(result, task, policy)
    if mask is not None:
        result = only_masked(result, mask)
    content = encode_result(result, task.plan)
    let_out(content, task, policy, shapes, sent)
    return content


def let_out(
    content: RecordDict, task: TrainTask, policy: Policy, shapes: Shapes, sent: Sent
) -> None:
    """Look at a finished reply a last time, whatever made it, and weigh it; or DisclosureError."""
    inspect(content, task.plan, shapes, policy, expected_of(task, shapes))
    size = n_bytes(content) / 1e6
    if size > policy.max_message_mb:
        raise held_back(
            f"the reply has {size:.1f} MB, {policy.max_message_mb} are the most", "max_message_mb"
        )
    if sent.day + size > policy.max_mb_a_day:
        raise held_back(
            f"{sent.day:.1f} MB left within 24 hours and the reply has {size:.1f}, "
            f"{policy.max_mb_a_day} are the most",
            "max_mb_a_day",
        )
    if policy.max_mb_ever is not None and sent.ever + size > policy.max_mb_ever:
        raise held_back(
            f"{sent.ever:.1f} MB left in all and the reply has {size:.1f}, "
            f"{policy.max_mb_ever} are the most",
            "max_mb_ever",
        )


def sign(content: RecordDict, task: str, key: Ed25519PrivateKey, last: LastLine) -> RecordDict:
    """Sign what was let out: eight numbers, and five of the ledger's line, or DisclosureError."""
    names = [*content]
    seal(content, task, key, last)
    added = dict(content.metric_records.get(SEAL, {}))
    types = {name: [*map(type, v)] if isinstance(v, list) else [] for name, v in added.items()}
    if [*content] != [*names, SEAL] or types != {SIGNATURE: [int] * 8, LEDGER: [int] * 5}:
        raise held_back("the signature is not of the form that is allowed")
    return content


def why_no_scores(policy: Policy, what: str = "images") -> str:
    """Say which rule keeps the scores of a finished reply back."""
    if not policy.shares("scores"):
        return f"scores are not shared {rule('metrics')}"
    return f"a class has fewer {what} than {policy.min_cell} {rule('min_cell')}"


def refuse(task: TrainTask | None, code: int, incident: int) -> RecordDict:
    """Make the message that says a task could not be done: a code and an incident number."""
    if task is None:  # it could not even be read
        result = TrainResult(plan=0, round=0, nonce=0, code=code, incident=incident)
    else:
        number = plan_number(task.plan)
        result = TrainResult(number, task.round, task.nonce, code, incident)
    content = encode_result(result)
    inspect(content, None, {}, Policy())
    return content


def _check_update(result: TrainResult, policy: Policy, shapes: Shapes) -> None:
    update = result.update or {}
    if result.n_images < policy.min_images:
        raise held_back(
            f"trained on {result.n_images} images, {policy.min_images} are the fewest",
            "min_images",
        )
    if {name: tuple(tensor.shape) for name, tensor in update.items()} != dict(shapes):
        raise held_back("the update has other tensors than the plan's model")


def _permitted(statistics: SiteStatistics, task: Task, policy: Policy) -> SiteStatistics:
    """Take small counts out of a site's statistics, or raise where none may leave."""
    if not policy.share_statistics:
        raise held_back("statistics of the data do not leave this site", "share_statistics")
    if statistics.samples < policy.min_images:
        raise held_back(
            f"the statistics are of {statistics.samples} images, {policy.min_images} are the "
            "fewest",
            "min_images",
        )
    return suppressed(statistics, policy.min_cell, task)


def _permitted_metrics(result: TrainResult, task: TrainTask, policy: Policy) -> TrainResult:
    """Take out the metrics that are not listed, and those of few images with all they tell.

    An AUC of the scores themselves stays: its change with the weights tells single images. The loss
    before training, which some strategies compute with, goes as it is.
    """
    result = replace(result, train_loss=_three_digits(result.train_loss), exact_auc=None)
    if not policy.shares("train_loss"):
        if result.start_loss is not None:
            strategy = task.plan.federation.strategy
            raise held_back(f"{strategy} needs the loss on the training images", "metrics")
        result = replace(result, train_loss=0.0)
    if task.plan.task.is_dense:
        return _permitted_dense(result, task, policy)
    result = replace(result, mask_counts=None, box_counts=None)
    counts = result.score_counts
    if counts is None or not _is_large_enough(counts, policy) or not policy.shares("scores"):
        return replace(result, score_counts=None, groups={})
    groups = _permitted_groups(result, task, policy)
    return replace(result, score_counts=_no_finer(counts, task, policy), groups=groups)


def _permitted_dense(result: TrainResult, task: TrainTask, policy: Policy) -> TrainResult:
    """Do the same for masks or boxes; see their rules."""
    masks, boxes = result.mask_counts, result.box_counts
    result, size = result.without_scores(), policy.min_cell
    if not policy.shares("scores"):
        return result
    if task.plan.task.has_masks and masks is not None:
        return replace(result, mask_counts=released_masks(masks, size, task.is_scoring))
    if task.plan.task.has_boxes and boxes is not None:
        return replace(result, box_counts=released_boxes(boxes, size, task.is_scoring))
    return result


def _no_finer(counts: ScoreCounts, task: TrainTask, policy: Policy) -> ScoreCounts:
    """Fewer bins in the rounds, cells of enough images always, and a loss of three digits."""
    n_bins = N_BINS if task.is_scoring else N_COARSE_BINS
    effects = released_effects(counts, task.plan, policy.min_cell) if task.is_scoring else None
    rounded = replace(counts, loss=_three_digits(counts.loss), clusters=effects)
    return coarser(rounded, n_bins, policy.min_cell)


def _three_digits(loss: float) -> float:
    return float(f"{loss:.3g}")


def _permitted_groups(
    result: TrainResult, task: TrainTask, policy: Policy
) -> dict[str, list[ScoreCounts]]:
    """Take small groups out; none leave where the whole stays or the policy says so."""
    if not task.is_scoring or result.score_counts is None or not policy.share_subgroups:
        return {}
    kept = suppressed_groups(result.groups, result.score_counts, policy.min_cell)
    return {kind: [_no_finer(one, task, policy) for one in groups] for kind, groups in kept.items()}


def _is_large_enough(score_counts: ScoreCounts, policy: Policy) -> bool:
    """Every class is absent or has at least the smallest cell of images.

    Multilabel: so many images with each finding, and so many without.
    """
    per_class = score_counts.confusion.sum(axis=-1)
    return all(n == 0 or n >= policy.min_cell for n in per_class.ravel().tolist())
