"""The order of values in memory in which convolutions are fastest."""

import torch


def layout(n_dimensions: int) -> torch.memory_format:
    """Give it for (B, C, [D,] H, W): channels last."""
    return torch.channels_last if n_dimensions == 4 else torch.channels_last_3d
