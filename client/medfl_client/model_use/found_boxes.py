"""What a detection model finds in images, in the numbers of their own files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from medfl_client.data.boxes.field import Field, Floats, unpacked
from medfl_client.data.boxes.places import place_work
from medfl_client.data.dataset import as_input
from medfl_client.data.own_shapes import Pixels
from medfl_client.data.reader import DicomReader, Source
from medfl_client.data.sandbox import in_sandbox
from medfl_client.data.sandbox_wire import Refused
from medfl_client.data.unindexed import TIMEOUT_S
from medfl_client.training.detections import Found, found_in
from medfl_client.training.windows import logits_of
from medfl_common.plan.plan import Plan


@dataclass(frozen=True)
class Findings:
    """What is found in one image, the surest first.

    found: In pixels of the network's input.
    centres: (n, 2) y, x in pixels of the image's file, whose first reaches from 0 to 1; of a volume
        (n, 3) mm to the patient's left, back and head.
    sides: (n, 2) h, w in the same pixels; of a volume (n, 3) mm across slices, down and along.
    """

    found: Found
    centres: Floats
    sides: Floats


@torch.no_grad()
def found_of(
    model: nn.Module,
    record: NDArray[np.generic],
    plan: Plan,
    device: torch.device,
    least: float = 0.0,
) -> Found:
    """Find the boxes of a record of the cache (C, [D,] H, W), from a score on."""
    model.eval()
    pixels = as_input(np.asarray(record)[None], plan.images.channels).to(device)
    (found,) = found_in(logits_of(model, pixels, plan), plan)
    is_told = found.scores >= least
    return Found(found.classes[is_told], found.scores[is_told], found.boxes[is_told])


def findings(
    model: nn.Module,
    pixels: Pixels,
    sources: Sequence[Source],
    plan: Plan,
    least: float,
    device: torch.device,
) -> Iterator[tuple[int, Findings | Refused]]:
    """Find the boxes of decoded sources; give the place of each, and what is found, as they come.

    Args:
        model: On the device.
        pixels: (N, C, [D,] S, S), or each of its own shape.
        sources: (N,) what they were decoded from.
        plan: The model's.
        least: The least score.
        device: Where the model is.
    """
    place = {id(source): i for i, source in enumerate(sources)}
    work = place_work(DicomReader(), Path("/"), plan.images)
    for source, record in in_sandbox(work, sources, 1, TIMEOUT_S):
        i = place[id(source)]
        if isinstance(record, Refused):
            yield i, record
        else:
            field = unpacked(record)
            found = in_image(found_of(model, pixels[i], plan, device, least), field)
            yield i, Findings(found, *in_own(found.boxes, field))


def in_image(found: Found, field: Field) -> Found:
    """Drop boxes with their centre beside the image, where the input is padded; cut the others."""
    d = len(field.sides)
    centres, halves = found.boxes[:, :d], found.boxes[:, d:] / 2
    is_in = ((centres >= field.low) & (centres < field.high)).all(axis=1)
    low, high = np.maximum(centres - halves, field.low), np.minimum(centres + halves, field.high)
    boxes = np.hstack([(low + high) / 2, high - low])[is_in].astype(np.float32)
    return Found(found.classes[is_in], found.scores[is_in], boxes)


def in_own(boxes: NDArray[np.float32], field: Field) -> tuple[Floats, Floats]:
    """Take boxes (n, 2 d) from the network's input to the image's own numbers: centres, sides.

    The way of a box into the input backwards; its ways along the axes stay at right angles.
    """
    d = len(field.sides)
    ways, offset = field.matrix[:, :-1], field.matrix[:, -1]
    centres, sides = boxes[:, :d].astype(np.float64), boxes[:, d:].astype(np.float64)
    own = (centres - offset) @ np.linalg.inv(ways).T
    return np.asarray(own, np.float64), np.asarray(sides / np.linalg.norm(ways, axis=1), np.float64)
