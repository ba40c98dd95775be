"""A small detection: its plan, and images of bright squares and dim discs with their boxes."""

from collections.abc import Sequence

import numpy as np
import torch
import yaml

from medfl_client.data.boxed import padded_boxes
from medfl_client.data.dataset import BoxedImages
from medfl_common.plan.plan import Plan

PLAN = """\
plan: 1
study: squares
seed: 3
task: {type: detection, classes: [square, disc]}
images: {modality: [CR, DX], size: 32}
model: {name: unet, norm: own, width: 4, levels: 2}
training: {lr: 0.01, batch_size: 4, optimizer: adam, precision: float32}
federation: {rounds: 2, deadline_s: 60}
evaluation: {validation: 0.25}
"""
VOLUMES: dict[str, object] = {"size": 32, "depth": 16, "dimensions": 3, "sample": "series",
                              "spacing_mm": 1.0, "slice_mm": 1.0}  # fmt: skip


def box_plan(**sections: dict[str, object]) -> Plan:
    """Give the small plan, changed."""
    values = yaml.safe_load(PLAN)
    for section, changes in sections.items():
        values[section] = {**values.get(section, {}), **changes}
    return Plan.model_validate(values)


def squares(
    n: int, *lengths: int, seed: int = 0, most: int = 3, sides: Sequence[int] = (5, 9)
) -> BoxedImages:
    """Draw images of some shapes each, large and small; a disc is less bright than a square."""
    rng = np.random.default_rng(seed)
    d = len(lengths)
    places = np.stack(np.meshgrid(*(np.arange(side) + 0.5 for side in lengths), indexing="ij"))
    pixels = np.clip(rng.normal(40, 8, (n, 1, *lengths)), 0, 255).astype(np.uint8)
    boxes, targets = [], np.zeros((n, 2), dtype=np.float32)
    for image in pixels:
        own: list[list[float]] = []
        for _ in range(int(rng.integers(0, most + 1))):
            kind, side = int(rng.integers(2)), float(rng.choice(sides))
            centre = [float(rng.integers(5, length - 5)) + 0.5 for length in lengths]
            if any(np.abs(np.subtract(centre, one[1 : 1 + d])).max() < 10 for one in own):
                continue
            apart = np.abs(places - np.reshape(centre, (d, *[1] * d)))
            is_in = (apart.max(axis=0) if kind == 0 else np.sqrt((apart**2).sum(axis=0))) < side / 2
            image[0][is_in] += 160 if kind == 0 else 80
            own.append([kind, *centre, *[side] * d])
        targets[len(boxes), [int(one[0]) for one in own]] = 1
        boxes.append(np.array(own, dtype=np.float32).reshape(-1, 1 + 2 * d))
    padded = padded_boxes(boxes, d)
    return BoxedImages(pixels, np.arange(n), torch.from_numpy(targets), boxes=padded)
