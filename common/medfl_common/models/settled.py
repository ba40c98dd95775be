"""Torch's threads for gradients, chosen before anything makes up a device."""

import torch


def settle_autograd() -> None:
    """Have torch choose its threads for gradients before torch.export makes up a device.

    Else the first gradient after it starts threads for that device, and no process that is forked
    then can train: `medfl-sim --engine processes` in one notebook with an export.
    """
    torch.ones(1, requires_grad=True).sum().backward()  # type: ignore[no-untyped-call]
