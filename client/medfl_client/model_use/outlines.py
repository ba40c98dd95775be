"""What a segmentation model says of images: shares of its classes, and mask files of them."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from medfl_client.data.dataset import as_input
from medfl_client.data.masks.author import Author
from medfl_client.data.masks.write_work import Kind, Outline, Written, write_work
from medfl_client.data.own_shapes import Pixels
from medfl_client.data.reader import Source
from medfl_client.data.sandbox import in_sandbox
from medfl_client.data.sandbox_wire import Refused
from medfl_client.data.unindexed import TIMEOUT_S
from medfl_client.training.windows import logits_of
from medfl_common.errors import ConfigError
from medfl_common.plan.plan import Plan

NEEDS: dict[Kind, tuple[str, str]] = {  # package, medfl's extra that brings it
    "dicom-seg": ("highdicom", "seg"),
    "nifti": ("nibabel", "nifti"),
}


def refuse_missing(kind: Kind) -> None:
    """Raise ConfigError where what writes these files is not installed."""
    package, extra = NEEDS.get(kind, ("numpy", ""))
    if find_spec(package) is None:
        raise ConfigError(
            f"--as {kind} is written by {package}, which is not installed here",
            todo=f"pip install medfl[{extra}], or choose another --as",
            who="your IT department",
        )


@torch.no_grad()
def shares_of(
    model: nn.Module, record: NDArray[np.generic], plan: Plan, device: torch.device
) -> NDArray[np.float16]:
    """Give (K, [D,] H, W) shares of classes, 0..1, of a record of the cache (C, [D,] H, W)."""
    model.eval()
    pixels = as_input(np.asarray(record)[None], plan.images.channels).to(device)
    logits = logits_of(model, pixels, plan)
    return np.asarray(torch.softmax(logits[0], dim=0).cpu().numpy(), dtype=np.float16)


def outlines(
    model: nn.Module,
    pixels: Pixels,
    sources: Sequence[Source],
    plan: Plan,
    kind: Kind,
    author: Author,
    device: torch.device,
) -> Iterator[tuple[int, Written | Refused]]:
    """Outline decoded sources, one at a time; give the place of each, and its file, as they come.

    Args:
        model: On the device.
        pixels: (N, C, [D,] S, S), or each of its own shape.
        sources: (N,) what they were decoded from.
        plan: The model's.
        kind: Of the files.
        author: Named in DICOM files.
        device: Where the model is.
    """
    place = {id(source): i for i, source in enumerate(sources)}
    jobs = (
        Outline(source, shares_of(model, pixels[i], plan, device))
        for i, source in enumerate(sources)
    )
    work = write_work(kind, plan.images, plan.task.classes, author)
    for job, written in in_sandbox(work, jobs, 1, TIMEOUT_S):
        yield place[id(job.source)], written
