"""Does a study begin with the weights that its plan says? Compared before any data are read."""

from typing import Literal

import torch

from medfl_client.config.rules import RULES, rule
from medfl_client.egress.imprint import imprint_in
from medfl_common.errors import QuestionError
from medfl_common.models import build_model
from medfl_common.models.network import Network
from medfl_common.models.weights import Weights, shared_weights
from medfl_common.plan.plan import Plan
from medfl_common.wire.tasks import TrainTask
from medfl_common.wire.tensors import codec_of, through

Check = Literal["exact", "close", "own", "unchecked"]
CLOSE = 1e-5  # of a tensor's largest value: what another processor draws otherwise


def can_be_checked(plan: Plan) -> bool:
    """Say whether a site can make the start by itself: not from weights of the coordinator's."""
    return plan.model.weights == "none"


def check_start(task: TrainTask, how: Check, has_shared: bool, has_rest: bool) -> None:
    """Raise QuestionError where a study would begin otherwise than its plan says.

    Args:
        task: The task, with its weights.
        how: The policy's `start_weights`.
        has_shared: The task's weights are those of the start.
        has_rest: What is sent once has come for the first time.
    """
    if how == "unchecked":
        return
    if has_shared and task.server_state:
        raise _another("the strategy sends weights along before there was a round")
    if not can_be_checked(task.plan):
        _refuse_imprint(task, has_shared, has_rest)
        return
    model = build_model(task.plan)
    if has_shared:
        _compare(task.weights, _as_sent(model, task.plan), how)
    if has_rest:
        rest = shared_weights(model, "start") | shared_weights(model, "local")
        _compare(task.start or {}, rest, how)


def _refuse_imprint(task: TrainTask, has_shared: bool, has_rest: bool) -> None:
    """Refuse weights that the site cannot make itself, where they hold a trap for images."""
    given = (task.weights if has_shared else {}) | ((task.start or {}) if has_rest else {})
    if name := imprint_in(given):
        error = QuestionError(
            f"the start weights of {name} hold many rows that measure the same, as a layer does "
            f"that carries single images out {rule('start_weights')}",
            data="no data was read",
            todo="ask the coordinator where these weights are from, and do not take part before",
        )
        error.rule = RULES["start_weights"][0]
        raise error


def _as_sent(model: Network, plan: Plan) -> Weights:
    messages = plan.federation.messages
    codec = codec_of(messages, messages.weights)
    start = shared_weights(model)
    return start if codec is None else through(start, codec)


def _compare(sent: Weights, own: Weights, how: Check) -> None:
    far = [n for n, tensor in own.items() if not _is_same(sent[n], tensor, how)]
    if far:
        apart = max(float((sent[name] - own[name]).abs().max()) for name in far)
        raise _another(
            f"the study does not begin with the weights of its plan: {len(far)} of {len(own)} "
            f"tensors are others, by up to {apart:.2g}"
        )


def _is_same(sent: torch.Tensor, own: torch.Tensor, how: Check) -> bool:
    if how == "close":
        return bool(torch.allclose(sent, own, rtol=0, atol=CLOSE * float(own.abs().max())))
    return sent.contiguous().view(torch.int32).equal(own.contiguous().view(torch.int32))


def _another(what: str) -> QuestionError:
    error = QuestionError(
        f"{what} {rule('start_weights')}",
        data="no data was read",
        todo="ask the coordinator. If it has another processor or version of torch, and the "
        "difference is below 0.00001, set policy.start_weights to close",
    )
    error.rule = RULES["start_weights"][0]
    return error
