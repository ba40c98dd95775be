"""medfl-sim graph: the researcher's own network as data."""

from pathlib import Path
from typing import Annotated

import typer

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
    ],
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
    plan: Annotated[
        Path | None, typer.Option(help="A plan file, whose section model then names the graph.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws the weights without --weights.", min=0)] = 0,
) -> None:
    """Write your own network as a graph: data for a plan, and no code."""
    from medfl_sim.graphs.make import image_shape, make_graph
    from medfl_sim.graphs.module_file import network_of
    from medfl_sim.graphs.plan_section import model_section, put_in_plan

    with errors_for_people():
        screen = Screen()
        shape = image_shape(image)
        module = network_of(network, seed, weights)
        screen.say(f"{network} ran here, as any script of yours; no hospital ever runs it")
        files = make_graph(module, shape, out, whole, norm, screen.say, kept=weights)
        if plan is None:
            section = model_section(files, out.resolve().parent)
            screen.say(f"the section for a plan beside them:\n{section.rstrip()}")
        else:
            put_in_plan(plan, files)
            screen.say(f"{plan} names them in its section model")
