"""The section `model` of a plan file, written anew with a graph; the rest stays as bytes."""

import os
from collections.abc import Iterator
from pathlib import Path

import yaml

from medfl_common.errors import ConfigError
from medfl_common.files import write_atomic
from medfl_common.plan.commented import entry
from medfl_common.plan.graph_files import put
from medfl_common.plan.model_choice import ModelChoice
from medfl_common.plan.plan import Plan
from medfl_common.plan.settings import loads
from medfl_common.wire.cost import build_empty
from medfl_sim.graphs.make import GraphFiles

KEPT = ("dropout", "freeze", "slices", "norm_layers")  # settings that a graph can have too


def put_in_plan(path: Path, files: GraphFiles) -> None:
    """Name a graph in a plan file, and write nothing where the plan would not be read.

    Raises ConfigError where there is no such plan, or its section is written in another way.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"{path} cannot be read", todo="name a plan that is there") from None
    before = loads(Plan, text, str(path)).model
    section = model_section(files, path.resolve().parent, before)
    lines = text.splitlines(keepends=True)
    first, last = _place(text, lines)
    new = "".join(lines[:first]) + section + "".join(lines[last:])
    try:
        plan = loads(Plan, new, str(path))
    except ConfigError as error:
        raise ConfigError(
            f"{path} would be no plan with the graph in it: {error.what}",
            todo=f"put this in place of its section model:\n{section}",
            data="the plan stays as it is",
        ) from None
    _see_that_it_fits(plan, path, files)
    write_atomic(path, new.encode())


def _see_that_it_fits(plan: Plan, path: Path, files: GraphFiles) -> None:
    """Build the plan's network; raises ConfigError where image, task or outputs are another's."""
    put(files.graph.read_bytes())
    try:
        build_empty(plan)
    except ConfigError as error:
        raise ConfigError(
            f"{path} and the graph do not go together: {error.what}",
            todo=error.todo or "change --image, the network's last layer, or the plan",
            data="the plan stays as it is",
        ) from None


def model_section(files: GraphFiles, folder: Path, before: ModelChoice | None = None) -> str:
    """Write the section for a plan in a folder, with what the section before also chose."""
    graph, weights = (
        Path(os.path.relpath(one.resolve(), folder)).as_posix()
        for one in (files.graph, files.weights)
    )
    lines = [
        "model:",
        entry("name", "graph", indent=2),
        entry("file", graph, indent=2),
        entry("sha256", files.graph_sha256, indent=2),
        entry("weights", {"file": weights, "sha256": files.weights_sha256}, indent=2),
        *_kept(before),
    ]
    return "\n".join(lines) + "\n"


def _kept(before: ModelChoice | None) -> Iterator[str]:
    if before is None:
        return
    for key, value in before.model_dump(include={*KEPT}, exclude_defaults=True).items():
        yield entry(key, value, indent=2)


def _place(text: str, lines: list[str]) -> tuple[int, int]:
    """Find the section's lines: the first, and the one behind the last."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)  # it was read as a plan
    starts = {key.value: key.start_mark.line for key, _ in root.value}
    first = starts["model"]
    last = min((n for n in starts.values() if n > first), default=len(lines))
    while last > first + 1 and (not lines[last - 1].strip() or lines[last - 1].startswith("#")):
        last -= 1  # what stands above the next key is its
    return first, last
