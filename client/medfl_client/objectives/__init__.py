"""What an algorithm adds to the loss of a local step, one file each."""

from collections.abc import Callable, Mapping

import torch
from torch import nn

from medfl_common.registry import Registry

Term = Callable[[nn.Module], torch.Tensor | None]  # the model in training -> a scalar to add
Objective = Callable[[Mapping[str, torch.Tensor]], Term]  # the round's global weights -> its term
OBJECTIVES: Registry[Objective] = Registry("objective", "medfl_client.objectives")
