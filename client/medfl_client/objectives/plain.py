"""The task's loss and nothing else: local training of FedAvg."""

from collections.abc import Mapping

import torch
from torch import nn

from medfl_client.objectives import OBJECTIVES, Term


@OBJECTIVES.register("plain")
def plain(start: Mapping[str, torch.Tensor]) -> Term:
    """Add nothing."""

    def nothing(model: nn.Module) -> None:
        return None

    return nothing
