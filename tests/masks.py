"""A small segmentation: its plan, images with masks in memory, a network and counts by hand."""

import numpy as np
import torch
import yaml

from medfl_client.data.dataset import MaskedImages, SiteData
from medfl_client.training.mask_scores import ClassScores, count_case
from medfl_common.metrics.mask_counts import MaskCounts, merge_masks
from medfl_common.models.network import Network
from medfl_common.plan.plan import Plan

PLAN = """\
plan: 1
study: outlines
seed: 3
task: {type: segmentation, classes: [background, lung, heart]}
images: {modality: [CR, DX], size: 24}
model: {name: MODEL, norm: group}
training: {lr: 0.01, batch_size: 4}
federation: {rounds: 3, deadline_s: 60}
evaluation: {validation: 0.25}
"""


def mask_plan(network: str = "small_cnn", /, **sections: dict[str, object]) -> Plan:
    """Give the small plan, changed."""
    values = yaml.safe_load(PLAN.replace("MODEL", network))
    for section, changes in sections.items():
        values[section] = {**values.get(section, {}), **changes}
    return Plan.model_validate(values)


def outlined(n: int, seed: int = 0, size: int = 24) -> MaskedImages:
    """Draw images of a bright and a very bright square; the masks say where they are."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((n, size, size), dtype=np.uint8)
    for mask in masks:
        for k in (1, 2):
            row, column = rng.integers(0, size - 8, 2)
            mask[row : row + 8, column : column + 8] = k
    noise = rng.integers(0, 20, (n, 1, size, size))
    pixels = (masks[:, None] * 100 + noise).astype(np.uint8)
    rows = np.arange(n)
    return MaskedImages(pixels, rows, torch.ones(n, 3), masks=masks, mask_rows=rows)


def outlined_site(n: int = 12) -> SiteData:
    """Give a site that trains, validates and tests on as many images each."""
    return SiteData(outlined(n, 0), outlined(n, 1), outlined(n, 2))


class Pointwise(Network):
    """A network that looks at each pixel alone: (B, 1, S, S) -> (B, K, S, S)."""

    def __init__(self, n_outputs: int = 3) -> None:
        super().__init__(torch.nn.Sequential(torch.nn.Conv2d(1, 8, 1), torch.nn.ReLU()), 8, 1)
        self.head = torch.nn.Conv2d(8, n_outputs, 1)  # type: ignore[assignment]

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Turn (B, 1, S, S) into (B, K, S, S) logits."""
        logits: torch.Tensor = self.head(self.backbone(pixels))
        return logits


def one_case(dice: float, hd95: float = 1.0, n_voxels: int = 1000, loss: float = 0.5) -> MaskCounts:
    """Give the counts of a case whose two classes have this Dice, with as much false as missed."""
    hit = round(dice * n_voxels)
    rest = n_voxels - hit
    found = ClassScores((hit, rest, rest), (1, 0, 0) if hit else (0, 1, 1), dice, hd95)
    return count_case({0: found, 1: found}, loss, 2)


def some_cases(*dice: float, hd95: float = 1.0) -> MaskCounts:
    """Give the counts of cases with these Dice."""
    return merge_masks([one_case(value, hd95 if value else np.inf) for value in dice])
