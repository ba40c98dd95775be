"""Is a reply what was asked for? What fails is quarantined with a reason, and the round goes on."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

import torch
from flwr.app import RecordDict

from medfl_common.errors import RunError, reason_of
from medfl_common.models.norms import is_statistic
from medfl_common.models.weights import norm
from medfl_common.plan.noise_cost import variance_of_counts
from medfl_common.wire.read_numbers import MAX_COUNT
from medfl_common.wire.results import TrainResult, decode_result, plan_number
from medfl_common.wire.signature import check_seal
from medfl_common.wire.tasks import TrainTask
from medfl_common.wire.tensors import Shapes
from medfl_server.aggregation.invariants import (
    check_failure,
    check_numbers,
    check_running_statistics,
)
from medfl_server.aggregation.masked_admission import admit_masked
from medfl_server.roster.enrolment import Enrolled

MAX_OF_WEIGHTS = 10.0  # an update is never larger than so many times the weights that it changes
HARMLESS = 1e-3  # times the weights: never too large, even where training has come to rest
MIN_HISTORY = 3  # norms that must be known before their median says anything


@dataclass(frozen=True)
class Known:
    """What is known of a site when its reply comes.

    n_trained: Images of its last update; None before the first.
    weights: Those that the update changes; empty where running statistics are not compared.
    digest: Of the task, as it was signed.
    size: Of what a secure sum brings: masked numbers, or bytes of the answer to a small trip.
    """

    n_trained: int | None = None
    weights: Mapping[str, torch.Tensor] = field(default_factory=dict)
    digest: str = ""
    size: int = 0


def admit(
    content: RecordDict,
    task: TrainTask,
    shapes: Shapes,
    enrolled: Enrolled | None = None,
    max_norm: float = math.inf,
    known: Known = Known(),
) -> TrainResult:
    """Read a reply that belongs to the task, is finite and has the right shapes, or raise RunError.

    A reply with a code is admitted as what it is: a site that says it could not.

    Args:
        content: The reply.
        task: What was asked.
        shapes: Of the tensors that the update changes.
        enrolled: The site's keys and size; None for a virtual hospital, which signs nothing.
        max_norm: The largest norm of an update, running statistics apart; see `norm_limit`.
        known: What the coordinator knows besides.
    """
    try:
        return _admitted(content, task, shapes, enrolled, max_norm, known)
    except Exception as error:  # whatever a site sends costs that site, and nobody else
        raise RunError(reason_of(error, "the reply's numbers are not of their type")) from None


def _admitted(
    content: RecordDict,
    task: TrainTask,
    shapes: Shapes,
    enrolled: Enrolled | None,
    max_norm: float,
    known: Known,
) -> TrainResult:
    result = decode_result(content, shapes, task.plan)
    seen = (result.plan, result.round, result.nonce)
    unread = result.code != 0 and seen == (0, 0, 0)  # the site could not read the task
    if not unread and seen != (plan_number(task.plan), task.round, task.nonce):
        raise RunError("the reply belongs to another plan, round or request")
    if enrolled is not None:
        check_seal(content, "" if unread else known.digest, enrolled.signing)
    if result.code:
        check_failure(result)
        return replace(result.without_scores(), update=None, statistics=None)
    if task.sum is not None:
        return admit_masked(result, content, task, known.size)
    most = MAX_COUNT if enrolled is None or not enrolled.max_images else enrolled.max_images
    check_numbers(result, task, most, known.n_trained)
    check_running_statistics(result.update or {}, known.weights)
    _check_norm(result, max_norm)
    if result.score_counts is not None and task.plan.privacy.noise is not None:
        noise = variance_of_counts(task.plan)
        return replace(result, score_counts=replace(result.score_counts, noise=noise))
    return result


def norm_limit(
    weights: Mapping[str, torch.Tensor], recent: Sequence[float], factor: float
) -> float:
    """Give the largest norm that an update of this round may have.

    Args:
        weights: What the updates change.
        recent: Norms of the updates that were admitted in the last rounds, of all sites.
        factor: How many times the median of them is too much.
    """
    size = max(trained_norm(weights), 1.0)
    if len(recent) < MIN_HISTORY:
        return MAX_OF_WEIGHTS * size
    likely = max(factor * median(recent), HARMLESS * size)
    return min(MAX_OF_WEIGHTS * size, likely)


def trained_norm(weights: Mapping[str, torch.Tensor]) -> float:
    """Give the norm of what is trained: running statistics are left out."""
    return norm({name: tensor for name, tensor in weights.items() if not is_statistic(name)})


def _check_norm(result: TrainResult, max_norm: float) -> None:
    if result.update is not None and math.isfinite(max_norm):
        seen = result.update_norm
        if seen > max_norm:
            raise RunError(
                f"the update is too large: its norm is {seen:.3g}, {max_norm:.3g} is the most that "
                "the weights and the last rounds make likely (federation.norm_limit)"
            )
