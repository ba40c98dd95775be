"""medfl-sim graph-loss and graph-step: the researcher's own loss or image step as data."""

from pathlib import Path
from typing import Annotated

import typer

from medfl_common.ui.screen import Screen, errors_for_people

Shape = Annotated[str, typer.Option(help="The shape of one image: channels,[depth,]height,width.")]


def graph_loss(
    loss: Annotated[
        str,
        typer.Argument(
            help="FILE.py:NAME, as in my_loss.py:focal; a function of logits and targets. The file "
            "runs here, and nowhere else."
        ),
    ],
    outputs: Annotated[int, typer.Option(help="Of the network; of a binary task 1.", min=1)] = 1,
    image: Annotated[str, typer.Option(help="Of a segmentation: the shape of one image.")] = "",
    out: Annotated[Path, typer.Option(help="The graph's file.")] = Path("my_loss.json"),
) -> None:
    """Write your own loss as a graph: data for a plan, and no code."""
    from medfl_sim.graphs.make import image_shape
    from medfl_sim.graphs.make_part import loss_shapes, make_part
    from medfl_sim.graphs.module_file import part_of

    with errors_for_people():
        shapes = loss_shapes(outputs, image_shape(image) if image else None)
        make_part(part_of(loss, "loss"), "loss", shapes, out, Screen().say)


def graph_step(
    step: Annotated[
        str,
        typer.Argument(
            help="FILE.py:NAME, as in my_step.py:sharpened; a function of pixels. The file runs "
            "here, and nowhere else."
        ),
    ],
    image: Shape,
    out: Annotated[Path, typer.Option(help="The graph's file.")] = Path("my_step.json"),
) -> None:
    """Write your own step on each image as a graph: data for a plan, and no code."""
    from medfl_sim.graphs.make import image_shape
    from medfl_sim.graphs.make_part import make_part
    from medfl_sim.graphs.module_file import part_of

    with errors_for_people():
        make_part(part_of(step, "image"), "image", [image_shape(image)], out, Screen().say)
