"""`medfl-client predict` of a detection model: boxes as CSV or COCO, and a sheet of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from medfl_client.data.reader import Source
from medfl_client.data.sandbox_wire import Refused
from medfl_client.data.unindexed import decode
from medfl_client.model_use.box_sheet import Tile, tile_of, write_sheet
from medfl_client.model_use.found_boxes import Findings, findings
from medfl_common.errors import ConfigError
from medfl_common.files import write_atomic
from medfl_common.models.network import Network
from medfl_common.plan.dense import FROM_SCORE
from medfl_common.plan.plan import Plan
from medfl_common.ui.screen import Screen
from medfl_common.ui.spreadsheet import csv_text

BoxKind = Literal["csv", "coco"]
BOX_KINDS: tuple[BoxKind, ...] = ("csv", "coco")
AT_ONCE = 8  # sources that are decoded, and then looked at
IN_PIXELS = ("x_min", "y_min", "x_max", "y_max")
IN_MM = ("x_mm", "y_mm", "z_mm", "diameter_mm", "across_slices_mm", "down_mm", "along_mm")


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


def refuse_no_boxes(plan: Plan, kind: BoxKind) -> None:
    """Raise ConfigError before any work where the file cannot say what the model finds."""
    if kind == "coco" and plan.images.dimensions == 3:
        raise ConfigError(
            "COCO has boxes of pictures, and this model looks at volumes", todo="leave --as out"
        )


def write_boxes(
    read: tuple[Sequence[Source], dict[str, str]],
    model: Network,
    plan: Plan,
    way: Way,
    device: torch.device,
    out: Path,
    screen: Screen,
) -> tuple[list[Source], dict[str, str]]:
    """Write the boxes found in each sample, and beside the file a sheet of the surest.

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
    sources, refused = read[0], dict(read[1])
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
    is_coco = box_kind(way.kind) == "coco"
    content = _coco(sources, told, plan) if is_coco else _csv(sources, told, plan, refused)
    write_atomic(out, content.encode("utf-8", "backslashreplace"), 0o600)
    if tiles:
        sheet = out.with_suffix(".png")
        write_sheet(tiles, sheet)
        screen.say(f"the images with the surest boxes: {sheet}")
    screen.say(f"boxes from a score of {way.least:g} on, and no other; --threshold says another")
    return [sources[place] for place in sorted(told)], refused


def _csv(
    sources: Sequence[Source], told: dict[int, Findings], plan: Plan, refused: dict[str, str]
) -> str:
    columns = IN_PIXELS if plan.images.dimensions == 2 else IN_MM
    header = ["image", "file", "frame", "class", "score", *columns, "remark"]
    rows: list[list[str]] = [header]
    for place, found in sorted(told.items()):
        own = [str(place + 1), *_place(sources[place])]
        numbers = _in_pixels(found) if plan.images.dimensions == 2 else _in_mm(found)
        for kind, score, line in zip(found.found.classes, found.found.scores, numbers, strict=True):
            cells = [f"{value:.2f}" for value in line]
            rows.append([*own, plan.task.classes[int(kind)], f"{float(score):.4f}", *cells, ""])
        if not len(found.centres):
            rows.append([*own, *[""] * (2 + len(columns)), "no box from this score on"])
    empty = [""] * (3 + len(columns))
    rows += [["", path, *empty, reason] for path, reason in sorted(refused.items())]
    return csv_text(rows)


def _place(source: Source) -> list[str]:
    return [source.rows[0].name, str(max(source.frame, 0))]


def _in_pixels(found: Findings) -> list[list[float]]:
    """Give x and y of the first corner, then of the other."""
    low, high = found.centres - found.sides / 2, found.centres + found.sides / 2
    return [[*a[::-1], *b[::-1]] for a, b in zip(low.tolist(), high.tolist(), strict=True)]


def _in_mm(found: Findings) -> list[list[float]]:
    """Give the centre, the diameter of the ball of the same volume, and the sides."""
    diameters = found.sides.prod(axis=1, keepdims=True) ** (1 / 3)
    lines: list[list[float]] = np.hstack([found.centres, diameters, found.sides]).tolist()
    return lines


def _coco(sources: Sequence[Source], told: dict[int, Findings], plan: Plan) -> str:
    """Write COCO's format, https://cocodataset.org/#format-data, with a score for each box."""
    images: list[dict[str, object]] = []
    boxes: list[dict[str, object]] = []
    for place, found in sorted(told.items()):
        row = sources[place].rows[0]
        images.append({
            "id": place + 1, "file_name": row.name, "frame": max(sources[place].frame, 0),
            "height": row.height, "width": row.width,
        })  # fmt: skip
        for kind, score, line in zip(
            found.found.classes, found.found.scores, _in_pixels(found), strict=True
        ):
            x, y, right, bottom = (round(value, 3) for value in line)
            box = [x, y, round(right - x, 3), round(bottom - y, 3)]
            boxes.append({
                "id": len(boxes) + 1, "image_id": place + 1, "category_id": int(kind) + 1,
                "bbox": box, "area": round(box[2] * box[3], 3), "iscrowd": 0,
                "score": round(float(score), 4),
            })  # fmt: skip
    classes = [{"id": k + 1, "name": name} for k, name in enumerate(plan.task.classes)]
    return json.dumps({"images": images, "annotations": boxes, "categories": classes}, indent=1)
