"""The files that `predict` of a detection model writes: boxes as CSV or COCO, and a sheet."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from medfl_client.data.reader import ALL_FRAMES, Source
from medfl_client.model_use.box_sheet import MADE_BY, is_sheet
from medfl_client.model_use.found_boxes import Findings
from medfl_common.plan.plan import Plan
from medfl_common.ui.spreadsheet import csv_text

HEAD = ("image", "file", "frame", "class", "score")
IN_PIXELS = ("x_min", "y_min", "x_max", "y_max")
IN_MM = ("x_mm", "y_mm", "z_mm", "diameter_mm", "across_slices_mm", "down_mm", "along_mm")
Told = Mapping[int, Findings]  # by the place of the source


def sheet_of(out: Path) -> Path:
    """Name the sheet that goes with a file of boxes."""
    return out.with_name(f"{out.name}.png")


def is_foreign(path: Path) -> bool:
    """Say whether a file is there that no `predict` of boxes wrote."""
    if not path.exists():
        return False
    if not path.is_file():
        return True
    with path.open("rb") as file:
        start = file.read(512)
    made = json.dumps({"made_by": MADE_BY})[1:-1].encode()
    return not (is_sheet(start) or start.startswith(",".join(HEAD).encode()) or made in start)


def csv_of(sources: Sequence[Source], told: Told, plan: Plan, refused: Mapping[str, str]) -> str:
    """Write a line for each box, for each image without one, and for each file not looked at."""
    columns = IN_PIXELS if plan.images.dimensions == 2 else IN_MM
    header = [*HEAD, *columns, "remark"]
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
    """Give the file, and of a picture the frame, which counts from 1 as DICOM's do."""
    return [source.rows[0].name, "" if source.frame == ALL_FRAMES else str(source.frame + 1)]


def _in_pixels(found: Findings) -> list[list[float]]:
    """Give x and y of the first corner, then of the other."""
    low, high = found.centres - found.sides / 2, found.centres + found.sides / 2
    return [[*a[::-1], *b[::-1]] for a, b in zip(low.tolist(), high.tolist(), strict=True)]


def _in_mm(found: Findings) -> list[list[float]]:
    """Give the centre, the diameter of the ball of the same volume, and the sides."""
    diameters = found.sides.prod(axis=1, keepdims=True) ** (1 / 3)
    lines: list[list[float]] = np.hstack([found.centres, diameters, found.sides]).tolist()
    return lines


def coco_of(sources: Sequence[Source], told: Told, plan: Plan, refused: Mapping[str, str]) -> str:
    """Write COCO's format, https://cocodataset.org/#format-data, with a score for each box.

    Its `info` has the files that were not looked at, with the reasons.
    """
    images: list[dict[str, object]] = []
    boxes: list[dict[str, object]] = []
    for place, found in sorted(told.items()):
        row = sources[place].rows[0]
        images.append({
            "id": place + 1, "file_name": row.name, "frame": sources[place].frame + 1,
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
    info = {"made_by": MADE_BY, "not_looked_at": dict(sorted(refused.items()))}
    content = {"info": info, "images": images, "annotations": boxes, "categories": classes}
    return json.dumps(content, indent=1)
