"""One round at a site: score, train with the algorithm's objective, compress what travels."""

import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from medfl_client.data.dataset import Examples, SiteData
from medfl_client.training.box_scores import count_boxes, loss_on_boxes
from medfl_client.training.client_state import ClientState
from medfl_client.training.evaluate import (
    count_scores,
    count_subgroups,
    exact_auc,
    features_of,
    score,
)
from medfl_client.training.mask_scores import count_masks, loss_on_masks
from medfl_client.training.membership import gains, is_asked
from medfl_client.training.objectives import ClientContext, Objective, objective_class
from medfl_client.training.train import Trained, seed_layers, train
from medfl_common.metrics.feature_moments import moments_of
from medfl_common.metrics.membership import counted
from medfl_common.models.network import Network
from medfl_common.models.norms import is_statistic
from medfl_common.models.weights import Weights, difference, load_shared, shared_weights
from medfl_common.plan.halves import at_coordinator
from medfl_common.plan.plan import Plan
from medfl_common.wire.results import TrainResult, plan_number
from medfl_common.wire.tasks import TrainTask
from medfl_common.wire.tensors import codec_of, through


def work(
    task: TrainTask,
    model: Network,
    data: SiteData,
    device: torch.device,
    max_steps: int | None = None,
    client_state: ClientState | None = None,
    epochs: int | None = None,
) -> TrainResult:
    """Score the task's weights on validation or test images; if asked, train and give the update.

    `data` holds features where the backbone is frozen (`feature_data`). `client_state` has what
    the algorithm kept before the round, and is given what it keeps after it. `epochs` are
    those that the site wishes.
    """
    started = time.monotonic()
    load_shared(model, task.weights)
    result = TrainResult(plan_number(task.plan), task.round, task.nonce)
    result = _with_scores(result, task, model, data, device)
    if task.kind == "train":
        kept = client_state or ClientState()
        result = _with_update(result, task, model, data, device, max_steps, kept, epochs)
    return replace(result, seconds=round(time.monotonic() - started, 3))


def _with_scores(
    result: TrainResult, task: TrainTask, model: Network, data: SiteData, device: torch.device
) -> TrainResult:
    """Add the scores on the task's part of the images; by groups of patients for a final model."""
    part = "test" if task.kind == "test" else "validation"
    images = data.test if part == "test" else data.validation
    if is_asked(task.plan, task.kind) and (found := gains(model, data, task.plan, device)):
        result = replace(result, membership=counted(*found))
    if not len(images):
        return result
    whose = data.patients.get(part)
    if task.plan.task.has_masks:
        return replace(result, mask_counts=count_masks(model, images, task.plan, device, whose))
    if task.plan.task.has_boxes:
        return replace(result, box_counts=count_boxes(model, images, task.plan, device, whose))
    logits, targets = score(trunk_of(model, data.train), images, task.plan, device)
    groups = data.groups.get(part, {}) if task.is_scoring else {}
    has_features = task.kind == "evaluate" and task.plan.evaluation.feature_statistics
    seen = features_of(model, images, task.plan, device) if has_features else None
    return replace(
        result,
        features=None if seen is None else moments_of(seen),
        score_counts=count_scores(logits, targets, task.plan, whose),
        exact_auc=exact_auc(logits, targets, task.plan),
        groups=count_subgroups(logits, targets, groups, task.plan),
    )


def _with_update(
    result: TrainResult,
    task: TrainTask,
    model: Network,
    data: SiteData,
    device: torch.device,
    max_steps: int | None,
    client_state: ClientState,
    epochs: int | None,
) -> TrainResult:
    """Add the update, in the plan's form."""
    start_loss = None
    if at_coordinator(task.plan.federation).needs_start_loss:
        start_loss = _loss_on(data.train, task.plan, model, device)
    trained, update = train_locally(
        task, model, data.train, device, client_state, max_steps, epochs
    )
    return replace(
        result,
        n_images=trained.n_images,
        n_steps=trained.n_steps,
        train_loss=trained.loss,
        start_loss=start_loss,
        update=compress_with_error_feedback(update, task.plan, client_state),
    )


def _loss_on(images: Examples, plan: Plan, model: Network, device: torch.device) -> float:
    """Give the mean loss of the task's weights on images."""
    if plan.task.has_masks:
        return loss_on_masks(model, images, plan, device)
    if plan.task.has_boxes:
        return loss_on_boxes(model, images, plan, device)
    logits, targets = score(trunk_of(model, images), images, plan, device)
    return count_scores(logits, targets, plan).loss


def trunk_of(model: Network, examples: Examples) -> nn.Module:
    """Give what examples go through: the model, or its head where they are features."""
    return model if examples.is_images else model.head


def train_locally(
    task: TrainTask,
    model: Network,
    images: Examples,
    device: torch.device,
    state: ClientState,
    max_steps: int | None = None,
    epochs: int | None = None,
) -> tuple[Trained, Weights]:
    """Train the loaded model; give what was done, and local minus global.

    The update is a plain function of the weights, the data, the plan, the round and the state.
    """

    def train_once(trunk: nn.Module, images: Examples, objective: Objective) -> Trained:
        return _train(trunk, images, task, objective, device, max_steps, epochs)

    return learned(task, model, images, device, state, train_once)


def learned(
    task: TrainTask,
    model: Network,
    images: Examples,
    device: torch.device,
    state: ClientState,
    train_once: Callable[[nn.Module, Examples, Objective], Trained],
) -> tuple[Trained, Weights]:
    """Train the loaded model with the plan's objective, by a way to train; see `train_locally`."""
    context = _client_context(task, model, device, state)
    objective = objective_class(task.plan)(context)
    try:
        trained = train_once(trunk_of(model, images), images, objective)
        update = difference(shared_weights(model), task.weights)
        state.after["algorithm"] = objective.client_state(trained.n_steps)
        personal = objective.personal_objective()
    finally:
        objective.close()
    if personal is not None:
        common = shared_weights(model)
        load_shared(model, state.of("personal") or task.weights)
        train_once(trunk_of(model, images), images, personal)
        state.after["personal"] = shared_weights(model)
        load_shared(model, common)
    return trained, update


def compress_with_error_feedback(update: Weights, plan: Plan, state: ClientState) -> Weights:
    """Give the update as it travels in the plan's form; its error is added to a later update."""
    codec = codec_of(plan.federation.messages)
    if codec is None:
        return update
    residual = state.of("residual")
    wanted = {name: tensor + residual.get(name, 0) for name, tensor in update.items()}
    sent = through(wanted, codec)
    if codec.feeds_back:
        state.after["residual"] = {
            name: wanted[name] - sent[name] for name in wanted if not is_statistic(name)
        }
    return {name: sent[name] for name in update}


def _train(
    trunk: nn.Module,
    images: Examples,
    task: TrainTask,
    objective: Objective,
    device: torch.device,
    max_steps: int | None,
    epochs: int | None,
) -> Trained:
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        seed_layers(task.plan, task.round, task.site, device)
        return train(
            trunk, images, task.plan, task.round, task.site, objective, device, max_steps, epochs
        )


def _client_context(
    task: TrainTask, model: Network, device: torch.device, state: ClientState
) -> ClientContext:
    parameters = {
        name: parameter
        for name, parameter in model.named_parameters()
        if name in task.weights and parameter.requires_grad
    }
    return ClientContext(
        plan=task.plan,
        rate=task.plan.learning_rate(task.round),
        model=model,
        parameters=parameters,
        start={name: task.weights[name].to(device) for name in parameters},
        client_state=state.of("algorithm", device),
        server_state={name: tensor.to(device) for name, tensor in task.server_state.items()},
    )
