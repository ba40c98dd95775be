"""Weights as named arrays: what is shared, differences, norms and the fold."""

import math
from collections.abc import Mapping

import torch
from torch import nn

Weights = dict[str, torch.Tensor]


def shared_weights(model: nn.Module) -> Weights:
    """Copy what sites share: every floating-point tensor of the state, on the CPU, in its order.

    Integer buffers (BatchNorm's count of batches) stay where they are: their mean means nothing.
    """
    return {
        name: tensor.detach().cpu().clone()
        for name, tensor in model.state_dict().items()
        if tensor.is_floating_point()
    }


def load_shared(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Put shared weights into a model; its own integer buffers stay."""
    state = model.state_dict()
    with torch.no_grad():
        for name, tensor in weights.items():
            state[name].copy_(tensor)


def difference(local: Mapping[str, torch.Tensor], start: Mapping[str, torch.Tensor]) -> Weights:
    """Give local minus start, tensor by tensor: the update."""
    return {name: local[name] - start[name] for name in start}


def norm(weights: Mapping[str, torch.Tensor]) -> float:
    """Give the Euclidean norm over all tensors, summed in float64."""
    return math.sqrt(sum(float(tensor.double().square().sum()) for tensor in weights.values()))


def is_finite(weights: Mapping[str, torch.Tensor]) -> bool:
    """Say whether no tensor holds a NaN or an infinity."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in weights.values())
