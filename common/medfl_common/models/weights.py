"""Weights as named arrays: shared parts, differences, norms."""

import math
from collections.abc import Mapping

import torch
from torch import nn

from medfl_common.models.network import Network, Part

Weights = dict[str, torch.Tensor]


def shared_weights(model: Network, part: Part = "shared") -> Weights:
    """Copy a part of the model's state to the CPU, in its order; see Network.names.

    What is shared goes both ways every round.
    """
    state = model.state_dict()
    in_rows = torch.contiguous_format  # a file of tensors takes no other order
    return {n: state[n].detach().cpu().clone(memory_format=in_rows) for n in model.names(part)}


def load_shared(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Load weights into a model by name; leave the others as they are."""
    state = model.state_dict()
    with torch.no_grad():
        for name, tensor in weights.items():
            state[name].copy_(tensor)


def difference(local: Mapping[str, torch.Tensor], start: Mapping[str, torch.Tensor]) -> Weights:
    """Return local minus start, tensor by tensor: the update."""
    return {name: local[name] - start[name] for name in start}


def norm(weights: Mapping[str, torch.Tensor]) -> float:
    """Return the Euclidean norm over all tensors, summed in float64."""
    norms = [torch.linalg.vector_norm(t, dtype=torch.float64) for t in weights.values()]
    return math.hypot(*map(float, norms))


def largest(tensor: torch.Tensor) -> float:
    """Return the largest absolute value, 0 of no values; NaN where there is one."""
    if not tensor.numel():
        return 0.0
    low, high = torch.aminmax(tensor)
    return max(-float(low), float(high))


def is_finite(weights: Mapping[str, torch.Tensor]) -> bool:
    """Say whether no tensor holds a NaN or an infinity."""
    # One of them stays one in the sum, which float32 values cannot overflow.
    sums = (float(tensor.sum(dtype=torch.float64)) for tensor in weights.values())
    return all(map(math.isfinite, sums))
