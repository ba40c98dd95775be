"""`medfl-server suggest-plan`: one plan for all hospitals, from the counts that they told."""

from pathlib import Path
from typing import Annotated

import typer

from medfl_common.ui.screen import Screen, errors_for_people


def suggest_plan(
    folder: Annotated[
        Path, typer.Argument(help="The directory of a study that asked for statistics.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="The plan to write, a new file; default: show it.")
    ] = None,
    memory_gb: Annotated[
        float, typer.Option(help="Memory of the smallest machine that trains, in GB.", min=1.0)
    ] = 8.0,
    spacing_mm: Annotated[
        float | None,
        typer.Option(help="Millimetres between pixels; default: the median.", min=0.001, max=100),
    ] = None,
    slice_mm: Annotated[
        float | None,
        typer.Option(help="Millimetres between slices; default: the median.", min=0.001, max=100),
    ] = None,
    width_mm: Annotated[
        float | None,
        typer.Option(help="Width of the widest image; default: sides x spacing.", min=1),
    ] = None,
    depth_mm: Annotated[
        float | None,
        typer.Option(help="Extent of the longest volume along its slices; volumes.", min=1),
    ] = None,
) -> None:
    """Suggest spacing, size, patch, batch and levels of a segmentation, or of volumes."""
    with errors_for_people():
        from medfl_common.errors import ConfigError
        from medfl_common.files import write_atomic
        from medfl_server.planning.grid import Wishes
        from medfl_server.planning.suggestion import suggest
        from medfl_server.study.run_directory import open_study

        wishes = Wishes(spacing_mm, slice_mm, width_mm, depth_mm, memory_gb)
        if out is not None and out.exists():
            raise ConfigError(
                f"{out} is there already", todo="name a new file", data="nothing was written"
            )
        text = suggest(open_study(folder), wishes)
        if out is None:
            print(text, end="")
            return
        write_atomic(out, text.encode())
        Screen().say(f"wrote {out}; next: medfl-server init STUDY --plan {out} --host HOST")
