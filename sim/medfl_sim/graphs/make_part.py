"""From the author's function to the file of a loss or an image step."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from medfl_common.errors import ConfigError
from medfl_common.files import write_atomic
from medfl_common.models.graphs.measure import measure
from medfl_common.models.graphs.network import GraphNetwork
from medfl_common.models.graphs.reading import read_graph
from medfl_sim.graphs.describe import describe

Part = Literal["loss", "image"]
Shapes = Sequence[Sequence[int]]
N_IMAGES, SEED = 4, 20260101


def loss_shapes(n_outputs: int, image: Sequence[int] | None) -> list[tuple[int, ...]]:
    """Give the shapes of logits and targets: of the image, or with `image` of each pixel."""
    window = tuple(image[1:]) if image is not None else ()
    return [(n_outputs, *window), window or (n_outputs,)]


def make_part(
    module: nn.Module, gives: Part, shapes: Shapes, out: Path, say: Callable[[str], None] = print
) -> str:
    """Describe a loss or an image step, check it beside the author's, and write its file.

    Args:
        module: loss: (logits, targets) -> the loss of each image (B,), or their mean. image:
            (B, *shape) -> the same shape.
        gives: Which of them.
        shapes: Of each input, for one image.
        out: The file.
        say: Takes one line per event.

    Returns the lines for the plan. Raises ConfigError where a graph cannot say it.
    """
    made = describe(module, shapes[0], gives, more=shapes[1:])
    if made.weights:
        raise ConfigError(
            f"it has the weights {', '.join(sorted(made.weights)[:3])}, which only a network has",
            todo="make them plain numbers or constant tensors",
        )
    graph = read_graph(made.data)
    measure(graph)
    ours, theirs = GraphNetwork(graph), module
    inputs = _drawn(gives, shapes)
    values = [one(*inputs) for one in (ours, theirs)]
    slopes = [torch.autograd.grad(one.sum(), inputs[0])[0] for one in values if one.requires_grad]
    if gives == "loss" and len(slopes) < len(values):
        raise ConfigError(
            "the loss does not depend on the logits in a way that has a gradient",
            todo="take it from the logits, not from classes or thresholds",
        )
    if gives == "image" and not _is_of_each_image(ours, inputs[0]):
        raise ConfigError(
            "the step of an image depends on the others of its batch",
            todo="take means and the like over each image: dim=(1, 2, 3)",
        )
    pairs = [pair for pair in (values, slopes) if pair]
    apart = [float((a - b).detach().abs().max()) for a, b in pairs]
    say(f"checked: value and gradient differ by at most {max(apart):.1e}")
    write_atomic(out, made.data)
    sha256 = hashlib.sha256(made.data).hexdigest()
    lines = (
        f"training:\n  loss: {{graph: {out.name}, sha256: {sha256}}}"
        if gives == "loss"
        else f"images:\n  graph: {{file: {out.name}, sha256: {sha256}}}"
    )
    say(f"wrote {out}; in the plan:\n{lines}")
    return lines


def _drawn(gives: Part, shapes: Shapes) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(SEED)
    first = torch.randn((N_IMAGES, *shapes[0]), generator=draw).requires_grad_()
    if gives == "image":
        return [first]
    targets = torch.rand((N_IMAGES, *shapes[1]), generator=draw)
    is_dense = len(shapes[1]) > 1
    classes = targets * shapes[0][0] if is_dense else targets * 2
    return [first, classes.floor()]


def _is_of_each_image(step: nn.Module, images: torch.Tensor) -> bool:
    with torch.no_grad():
        alone = torch.cat([step(images[i : i + 1]) for i in range(len(images))])
        return bool(torch.allclose(step(images), alone, atol=1e-5))
