"""One round's training at a site: the algorithm's objective, its state, error feedback."""

import torch
from torch import nn

from medfl_client.data.dataset import Examples
from medfl_client.training.client_state import ClientState
from medfl_client.training.objectives import ClientContext, Objective, objective_class
from medfl_client.training.train import Trained, seed_layers, train
from medfl_common.models.network import Network
from medfl_common.models.norms import is_statistic
from medfl_common.models.weights import Weights, difference, load_shared, shared_weights
from medfl_common.plan.plan import Plan
from medfl_common.plan.schedule import learning_rate_of_round
from medfl_common.wire.tasks import TrainTask
from medfl_common.wire.tensors import codec_of, through


def train_locally(
    task: TrainTask,
    model: Network,
    images: Examples,
    device: torch.device,
    state: ClientState,
    max_steps: int | None = None,
) -> tuple[Trained, Weights]:
    """Train the loaded model; give what was done, and local minus global.

    The update is a plain function of the weights, the data, the plan, the round and the state.
    """
    context = _client_context(task, model, device, state)
    objective = objective_class(task.plan)(context)
    try:
        trained = _train(task, model, images, objective, device, max_steps)
        update = difference(shared_weights(model), task.weights)
        state.after["algorithm"] = objective.client_state(trained.n_steps)
        personal = objective.personal_objective()
    finally:
        objective.close()
    if personal is not None:
        common = shared_weights(model)
        load_shared(model, state.of("personal") or task.weights)
        _train(task, model, images, personal, device, max_steps)
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
    task: TrainTask,
    model: Network,
    images: Examples,
    objective: Objective,
    device: torch.device,
    max_steps: int | None,
) -> Trained:
    trunk: nn.Module = model if images.is_images else model.head
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        seed_layers(task.plan, task.round, task.site, device)
        return train(trunk, images, task.plan, task.round, task.site, objective, device, max_steps)


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
        rate=learning_rate_of_round(task.plan, task.round),
        model=model,
        parameters=parameters,
        start={name: task.weights[name].to(device) for name in parameters},
        client_state=state.of("algorithm", device),
        server_state={name: tensor.to(device) for name, tensor in task.server_state.items()},
    )
