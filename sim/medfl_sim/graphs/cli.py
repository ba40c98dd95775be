"""medfl-sim graph: the researcher's own network as data."""

from pathlib import Path
from typing import Annotated

import typer

from medfl_common.errors import ConfigError
from medfl_common.ui.screen import Screen, errors_for_people


def graph(
    network: Annotated[
        str,
        typer.Argument(
            help="FILE.py:NAME, as in my_net.py:Net; a class or function that takes nothing, or a "
            "network. The file runs here, and nowhere else."
        ),
    ],
    image: Annotated[
        str, typer.Option(help="The shape of one image: channels,[depth,]height,width.")
    ] = "",
    out: Annotated[
        Path,
        typer.Option(help="The graph's file; the weights lie beside it as .safetensors."),
    ] = Path("my_net.json"),
    whole: Annotated[
        bool, typer.Option("--whole", help="Keep the last layer; else medfl's head replaces it.")
    ] = False,
    norm: Annotated[
        str,
        typer.Option(help="Of batch norms. group: replaced; batch: kept, their means at the site."),
    ] = "group",
    weights: Annotated[
        Path | None,
        typer.Option(help="The network's weights: safetensors, or torch.save(state_dict())."),
    ] = None,
    gives: Annotated[
        str,
        typer.Option(help="network, loss (of logits and targets), or image (a step on each)."),
    ] = "network",
    classes: Annotated[int, typer.Option(help="Of a loss: outputs of the network.", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Draws the weights without --weights.", min=0)] = 0,
) -> None:
    """Write your own network, loss or image step as a graph: data for a plan, and no code."""
    from medfl_sim.graphs.make import image_shape, make_graph
    from medfl_sim.graphs.make_part import loss_shapes, make_part
    from medfl_sim.graphs.module_file import network_of, part_of

    with errors_for_people():
        screen = Screen()
        if gives == "loss":
            shapes = loss_shapes(classes, image_shape(image) if image else None)
            make_part(part_of(network, gives), "loss", shapes, out, screen.say)
            return
        shape = image_shape(image)
        if gives == "image":
            make_part(part_of(network, gives), "image", [shape], out, screen.say)
            return
        if gives != "network":
            raise ConfigError(f"unknown --gives {gives}", todo="choose network, loss or image")
        module = network_of(network, seed, weights)
        screen.say(f"{network} ran here, as any script of yours; no hospital ever runs it")
        make_graph(module, shape, out, whole, norm, screen.say)
