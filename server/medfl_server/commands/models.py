"""`medfl-server models`: the networks that a plan can name, and what a round of one costs."""

from pathlib import Path
from typing import Annotated

import typer

from medfl_common.ui.screen import Screen, errors_for_people


def models(
    plan: Annotated[
        Path | None, typer.Option(help="A study plan: show what a round of its network costs.")
    ] = None,
) -> None:
    """List the networks that a plan can name: weights, input, megabytes a round."""
    with errors_for_people():
        from medfl_common.plan.plan import load_plan
        from medfl_common.wire.cost import sizes
        from medfl_server.export.catalogue import HEADER, TITLE, catalogue

        screen = Screen()
        if plan is None:
            screen.table(HEADER, catalogue(), TITLE)
            return
        chosen = load_plan(plan)
        n_weights, each_round, once = sizes(chosen)
        screen.say(f"{chosen.model.name} for {plan}: {n_weights:,} weights")
        screen.say(f"each round, to and from each site: {each_round:,} bytes")
        screen.say(f"once, to each site that connects: {once:,} bytes")
