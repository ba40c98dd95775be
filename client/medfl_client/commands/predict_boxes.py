"""`medfl-client predict` of a detection model: boxes as CSV or COCO, and a sheet of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from medfl_client.data.reader import Source
from medfl_client.data.sandbox_wire import Refused
from medfl_client.data.unindexed import decode
from medfl_client.model_use.box_files import coco_of, csv_of, is_foreign, sheet_of
from medfl_client.model_use.box_sheet import MOST_TILES, Tile, tile_of, write_sheet
from medfl_client.model_use.found_boxes import Findings, findings
from medfl_common.errors import ConfigError
from medfl_common.files import write_atomic
from medfl_common.models.network import Network
from medfl_common.plan.dense import FROM_SCORE
from medfl_common.plan.plan import Plan
from medfl_common.ui.screen import Screen

BoxKind = Literal["csv", "coco"]
BOX_KINDS: tuple[BoxKind, ...] = ("csv", "coco")
ENDS: dict[BoxKind, str] = {"csv": ".csv", "coco": ".json"}
AT_ONCE = 8  # sources that are decoded, and then looked at


@dataclass(frozen=True)
class Way:
    """How places are told."""

    kind: str | None = None  # as --as names it
    least: float = FROM_SCORE  # score


def box_kind(kind: str | None) -> BoxKind:
    """Give the file of boxes that --as names; raise ConfigError for another."""
    found = next((one for one in BOX_KINDS if one == (kind or "csv")), None)
    if found is None:
        raise ConfigError(f"a model that boxes writes csv or coco, not {kind}", todo="change --as")
    return found


def refuse_no_boxes(plan: Plan, kind: BoxKind, out: Path, is_named: bool, data: Path) -> None:
    """Raise ConfigError before any work where the file cannot be made, or not written there.

    Args:
        plan: The model's.
        kind: Of the file.
        out: The file.
        is_named: A person named it, so that it may be anything.
        data: The folder of the site's images, where a model's boxes would count as somebody's.
    """
    if kind == "coco" and plan.images.dimensions == 3:
        raise ConfigError(
            "COCO has boxes of pictures, and this model looks at volumes", todo="leave --as out"
        )
    if out.suffix.lower() == ".png":
        raise ConfigError(
            f"{out} is named like an image, and boxes are written as {kind}",
            todo=f"name a file with --out that ends on {ENDS[kind]}",
        )
    if is_named and out.resolve().is_relative_to(data.resolve()):
        raise ConfigError(
            f"{out} lies among the site's own data", todo="name a file elsewhere with --out"
        )
    for path in [out] * is_named + [sheet_of(out)]:
        if is_foreign(path):
            raise ConfigError(
                f"{path} is there, and no earlier predict of boxes wrote it",
                todo="name another file with --out",
                data="nothing was written",
            )


def _refuse_frames(sources: Sequence[Source]) -> None:
    """Raise ConfigError where several images are of one file: COCO calls an image by its file."""
    seen: set[str] = set()
    for name in (source.rows[0].name for source in sources):
        if name in seen:
            raise ConfigError(
                f"COCO calls an image by its file, and {name} has several frames",
                todo="leave --as out: a CSV has a column for the frame",
                data="nothing was written",
            )
        seen.add(name)


def write_boxes(
    read: tuple[Sequence[Source], dict[str, str]],
    model: Network,
    plan: Plan,
    way: Way,
    device: torch.device,
    out: Path,
    screen: Screen,
) -> tuple[list[Source], dict[str, str]]:
    """Write the boxes found in each sample, and beside the file a sheet of the first with any.

    Returns the sources that were looked at, and path -> reason of the others.

    Args:
        read: (N,) what is decoded and looked at, a few at a time; path -> reason of the others.
        model: On the device.
        plan: The model's.
        way: How boxes are told.
        device: Where the model is.
        out: The file.
        screen: Follows the work.
    """
    (sources, _), refused, is_coco = read, dict(read[1]), box_kind(way.kind) == "coco"
    if is_coco:
        _refuse_frames(sources)
    place_of = {id(source): place for place, source in enumerate(sources)}
    told: dict[int, Findings] = {}
    tiles: list[Tile] = []
    progress = screen.watch("looked at")
    for start in range(0, len(sources), AT_ONCE):
        pixels, some, faults = decode(sources[start : start + AT_ONCE], plan.images)
        refused |= faults
        for i, found in findings(model, pixels, some, plan, way.least, device):
            place = place_of[id(some[i])]
            if isinstance(found, Refused):
                refused |= {row.name: found.reason for row in some[i].rows}
                continue
            told[place] = found
            tiles += tile_of(place + 1, pixels[i], found.found, tiles)
        progress(min(start + AT_ONCE, len(sources)), len(sources))
    content = (coco_of if is_coco else csv_of)(sources, told, plan, refused)
    _write(out, content, tiles, screen)
    screen.say(f"boxes from a score of {way.least:g} on, and no other; --threshold says another")
    return [sources[place] for place in sorted(told)], refused


def _write(out: Path, content: str, tiles: Sequence[Tile], screen: Screen) -> None:
    """Write the file and its sheet; no sheet of an earlier one stays."""
    sheet = sheet_of(out)
    sheet.unlink(missing_ok=True)
    write_atomic(out, content.encode("utf-8", "backslashreplace"), 0o600)
    if tiles:
        write_sheet(tiles, sheet)
        screen.say(f"the images with a box, the first {MOST_TILES} at the most: {sheet}")
