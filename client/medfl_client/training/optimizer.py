"""The plan's optimiser."""

import torch
from torch import nn

from medfl_common.plan.training import Training


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
