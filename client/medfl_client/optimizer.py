"""The plan's optimiser and its step size in a round."""

import math

import torch
from torch import nn

from medfl_common.plan import Plan, Training


def make_optimizer(model: nn.Module, settings: Training, rate: float) -> torch.optim.Optimizer:
    """Make the plan's optimiser over what is trained, fused into one kernel per step."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            fused=True,
        )
    kind = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW
    return kind(parameters, lr=rate, weight_decay=settings.weight_decay, fused=True)


def rate_of_round(plan: Plan, round_: int) -> float:
    """Give the step size of a round, counted from 1: warm-up, then the schedule.

    Cosine: Loshchilov, Hutter: SGDR. ICLR 2017. It is over the rounds after the warm-up.
    """
    settings, schedule = plan.training, plan.training.schedule
    done = round_ - 1
    if done < schedule.warmup_rounds:
        return settings.lr * (done + 1) / (schedule.warmup_rounds + 1)
    done -= schedule.warmup_rounds
    if schedule.kind == "cosine":
        n_rounds = max(plan.federation.rounds - schedule.warmup_rounds, 1)
        return settings.lr * 0.5 * (1 + math.cos(math.pi * min(done / n_rounds, 1)))
    if schedule.kind == "step":
        factor: float = schedule.factor ** (done // schedule.every_rounds)
        return settings.lr * factor
    return settings.lr
