"""Do start weights hold a trap for single images? Looked for before any data are read.

An imprint layer has many rows that measure the same thing, with thresholds in steps, so that an
image falls between two of them and comes back out of the difference of their gradients. Fowl et
al.: Robbing the Fed. ICLR 2022. https://arxiv.org/abs/2110.13057
"""

from collections.abc import Mapping

import torch

LEAST_ROWS, LEAST_INPUTS = 16, 64  # of a layer that could hold such a trap
ALIKE = 0.999  # the cosine of two rows that measure the same
MANY = 0.5  # of a layer's rows


def imprint_in(weights: Mapping[str, torch.Tensor]) -> str:
    """Name the first layer of which many rows are alike; empty: there is none.

    Rows of zeros, as a fresh layer may have, are not counted.
    """
    for name, tensor in weights.items():
        if tensor.dim() < 2 or len(tensor) < LEAST_ROWS:
            continue
        rows = tensor.flatten(1).float()
        if rows.shape[1] < LEAST_INPUTS:
            continue
        norms = rows.norm(dim=1)
        rows = rows[norms > 0] / norms[norms > 0, None]
        if len(rows) >= LEAST_ROWS and _share_alike(rows) > MANY:
            return name
    return ""


def _share_alike(rows: torch.Tensor) -> float:
    """Say which part of unit rows (N, F) have the direction of the row that most resemble.

    Some rows stand for all: with more than half alike, one of eight is among these but once in 250.
    """
    n = len(rows)
    chosen = rows[torch.linspace(0, n - 1, 8).long()]
    alike = (chosen @ rows.T).abs() > ALIKE
    return float(alike.sum(dim=1).max()) / n
