"""A study on one machine: virtual hospitals, the real apps, a real run directory."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from flwr.app import Context

from medfl_client.app import build_app as build_client_app
from medfl_client.site import Site
from medfl_common.files import locked
from medfl_server.app import build_app as build_server_app
from medfl_server.fold import check_roster
from medfl_server.post import Announce
from medfl_server.rounds import Follow
from medfl_server.study import Study
from medfl_sim.engine import InProcessGrid, run_apps


def silent(line: str) -> None:
    """Take a line and say nothing."""


def simulate(
    study: Study,
    sites: Mapping[str, Site],
    announce: Announce = silent,
    follow: Follow | None = None,
) -> None:
    """Run a study over virtual hospitals to its end, or on from where it stopped.

    Args:
        study: The run directory and its plan.
        sites: Name -> virtual hospital, in the roster's order.
        announce: Takes one line per event.
        follow: Takes the progress after each round.
    """
    check_roster(study.plan.federation, len(sites))

    def find_site(context: Context) -> Site:
        name = str(context.node_config["site"])
        return replace(sites[name], local=study.folder / "local" / name)

    grid = InProcessGrid(build_client_app(find_site, silent), list(sites))
    app = build_server_app(
        study,
        lambda: dict.fromkeys(sites),
        grid.presence,
        announce,
        follow or (lambda progress: None),
    )
    with locked(study.folder):
        run_apps(app, grid)


def default_out(plan_file: Path) -> Path:
    """Name a run directory that is not there yet: runs/<plan>-1, runs/<plan>-2, ..."""
    number = 1
    while (out := Path("runs") / f"{plan_file.stem}-{number}").exists():
        number += 1
    return out
