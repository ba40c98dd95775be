"""Boxes from a JSON file of COCO: images, annotations, categories.

Lin et al.: Microsoft COCO, Common Objects in Context. ECCV 2014; https://cocodataset.org, Data
format. A bbox is [x, y, width, height] in pixels from the image's upper left corner.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from medfl_client.data.boxes.listed import (
    MAX_LETTERS,
    Entry,
    Listed,
    Numbers,
    corners,
    number,
    read_list,
)
from medfl_common.errors import DataError

CROWD = "it is a crowd (iscrowd), not one finding"
NO_BOX = "it has an outline and no bbox"
EXPORT = "export the list again, as COCO for detection"
FORMAT = "set data.boxes.format in site.yaml, or export the list as COCO for detection"


def read_coco(path: Path) -> dict[str, Entry]:
    """Read a file: file_name -> what is said of the image.

    An image without annotations says that nothing is there. Raises DataError for a file of another
    form, and where an annotation names an image or category that the file does not have.
    """
    content = _parsed(path)
    names = _names(_items(content, "categories", path), path)
    entries, by_id = _images(_items(content, "images", path), path)
    for place, one in enumerate(_items(content, "annotations", path), start=1):
        where = f"annotation {place}"
        entry, name = by_id.get(_id(one.get("image_id"))), names.get(_id(one.get("category_id")))
        if entry is None or name is None:
            what = "an image" if entry is None else "a category"
            raise _refused(f"{path.name}: {where} names {what} that the file does not have", EXPORT)
        try:
            entry.add(Listed(where, name, _place(one)))
        except ValueError as error:
            entry.add(Listed(where, name, (), str(error)))
    for entry in entries.values():
        if not entry.findings and not entry.fault:
            entry.nothing = entry.where
    return entries


def _place(one: Mapping[str, object]) -> Numbers:
    if one.get("iscrowd") in (1, "1"):
        raise ValueError(CROWD)
    box = one.get("bbox")
    if not box and one.get("segmentation"):
        raise ValueError(NO_BOX)
    if not isinstance(box, list) or len(box) != 4:
        raise ValueError("its bbox is not [x, y, width, height]")
    numbers = [number(v, what) for v, what in zip(box, ("x", "y", "width", "height"), strict=True)]
    return corners(numbers, "size")


def _images(
    items: list[dict[str, object]], path: Path
) -> tuple[dict[str, Entry], dict[str, Entry]]:
    """Give the images by name, and by the number that annotations call them by."""
    entries: dict[str, Entry] = {}
    by_id: dict[str, Entry] = {}
    for place, one in enumerate(items, start=1):
        where, name, own = f"image {place}", one.get("file_name"), _id(one.get("id"))
        if not isinstance(name, str) or not name or not own:
            raise _refused(f"{path.name}: {where} has no file_name, or no id", EXPORT)
        if name in entries or own in by_id:
            what = f"{path.name}: {where} has the file_name, or the id, of another image"
            raise _refused(what, "give each image a file_name and an id of its own")
        entries[name] = by_id[own] = Entry(where, size=_size(one, path, where))
    return entries, by_id


def _size(one: Mapping[str, object], path: Path, where: str) -> tuple[int, int] | None:
    sides = one.get("width"), one.get("height")
    if all(not side or side != side for side in sides):  # none, 0, NaN
        return None
    texts = [_id(side) for side in sides]
    if not all(re.fullmatch(r"[1-9][0-9]{0,8}", text) for text in texts):
        what = f"{path.name}: {where} has a width or height that no image has"
        raise _refused(what, "write both in pixels, or leave both out")
    return int(texts[0]), int(texts[1])


def _names(items: list[dict[str, object]], path: Path) -> dict[str, str]:
    names: dict[str, str] = {}
    for place, one in enumerate(items, start=1):
        own, name = _id(one.get("id")), one.get("name")
        if not own or not isinstance(name, str) or not name:
            raise _refused(f"{path.name}: category {place} has no id, or no name", EXPORT)
        if own in names:
            what = f"{path.name}: category {place} has the id of another category"
            raise _refused(what, "give each category an id of its own; a box has one class")
        names[own] = name[:MAX_LETTERS]
    return names


def _id(value: object) -> str:
    """Give a whole number or word as text; empty: it is neither."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas writes 7.0 where a column has gaps
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value)


def _items(content: Mapping[str, object], key: str, path: Path) -> list[dict[str, object]]:
    items = content.get(key)
    if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
        raise _refused(f"{path.name} has no list {key}, as COCO's JSON has", FORMAT)
    return items


def _parsed(path: Path) -> dict[str, object]:
    """Parse JSON; raises DataError for text that is none, or nested so deep that it is an attack.

    NaN, which Python's programs write for what is missing, is read; no box can have it.
    """
    data = read_list(path)
    try:
        content: object = json.loads(data)
    except RecursionError:
        raise _refused(f"{path.name} is nested too deep for a list of boxes", EXPORT) from None
    except ValueError as error:
        raise _refused(f"{path.name} is no JSON ({_why(error)})", FORMAT) from None
    if not isinstance(content, dict):
        raise _refused(f"{path.name} has no list images, as COCO's JSON has", FORMAT)
    return content


def _why(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}"
    return "an encoding, or a number, that JSON has not"


def _refused(what: str, todo: str) -> DataError:
    return DataError(what, todo=todo, data="nothing was trained")
