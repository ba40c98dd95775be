"""A study's own rules for joining updates, which a plan names as `federation.strategy`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from medfl_common.registry import Registry

if TYPE_CHECKING:
    import torch

# (updates (S, P) float32, images behind each (S,) float32) -> the change of the weights (P,)
OwnRule = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]
RULES: Registry[OwnRule] = Registry("strategy", "medfl_common.parts.rules")
