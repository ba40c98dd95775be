"""Boxes from a JSON file of COCO: images, annotations, categories.

Lin et al.: Microsoft COCO, Common Objects in Context. ECCV 2014; https://cocodataset.org, Data
format. A bbox is [x, y, width, height] in pixels from the image's upper left corner.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from medfl_client.data.boxes.listed import (
    MAX_LETTERS,
    Entry,
    Listed,
    corners,
    number,
    read_list,
)
from medfl_common.errors import DataError

CROWD = "it is a crowd (iscrowd), not one finding"
NO_BOX = "it has an outline and no bbox"


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
            raise DataError(
                f"{path.name}: {where} names {what} that the file does not have",
                todo="export the list again",
                data="nothing was trained",
            )
        try:
            entry.add(_finding(one, name, where))
        except ValueError as error:
            entry.blame(where, str(error))
    for entry in entries.values():
        if not entry.findings and not entry.fault:
            entry.nothing = entry.where
    return entries


def _finding(one: Mapping[str, object], name: str, where: str) -> Listed:
    if one.get("iscrowd"):
        raise ValueError(CROWD)
    box = one.get("bbox")
    if not box and one.get("segmentation"):
        raise ValueError(NO_BOX)
    if not isinstance(box, list) or len(box) != 4:
        raise ValueError("its bbox is not [x, y, width, height]")
    numbers = [number(v, what) for v, what in zip(box, ("x", "y", "width", "height"), strict=True)]
    return Listed(where, name, corners(numbers, "size"))


def _images(
    items: list[dict[str, object]], path: Path
) -> tuple[dict[str, Entry], dict[str, Entry]]:
    """Give the images by name, and by the number that annotations call them by."""
    entries: dict[str, Entry] = {}
    by_id: dict[str, Entry] = {}
    for place, one in enumerate(items, start=1):
        where, name, own = f"image {place}", one.get("file_name"), _id(one.get("id"))
        if not isinstance(name, str) or not name or not own:
            raise DataError(f"{path.name}: {where} has no file_name, or no id")
        if name in entries or own in by_id:
            raise DataError(
                f"{path.name}: {where} has the file_name, or the id, of another image",
                todo="correct the list",
            )
        entries[name] = by_id[own] = Entry(where, size=_size(one, path, where))
    return entries, by_id


def _size(one: Mapping[str, object], path: Path, where: str) -> tuple[int, int] | None:
    width, height = one.get("width"), one.get("height")
    if not width and not height:
        return None
    if not (isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0):
        raise DataError(f"{path.name}: {where} has a width or height that no image has")
    return width, height


def _names(items: list[dict[str, object]], path: Path) -> dict[str, str]:
    names = {_id(one.get("id")): one.get("name") for one in items}
    if not all(own and isinstance(name, str) and name for own, name in names.items()):
        raise DataError(f"{path.name}: a category has no id, or no name")
    return {own: str(name)[:MAX_LETTERS] for own, name in names.items()}


def _id(value: object) -> str:
    """Give a number or word as text; empty: it is neither."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value)


def _items(content: Mapping[str, object], key: str, path: Path) -> list[dict[str, object]]:
    items = content.get(key)
    if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
        raise DataError(
            f"{path.name} has no list {key}, as COCO's JSON has",
            todo="set data.boxes.format in site.yaml, or export the list as COCO for detection",
        )
    return items


def _parsed(path: Path) -> dict[str, object]:
    """Parse JSON; raises DataError for text that is none, or nested so deep that it is an attack.

    A number that is none of JSON's (NaN, Infinity) stands in no list of boxes.
    """
    data = read_list(path)
    try:
        content: object = json.loads(data, parse_constant=_refuse_constant)
    except RecursionError:
        raise DataError(f"{path.name} is nested too deep for a list of boxes") from None
    except ValueError as error:
        raise DataError(f"{path.name} is no JSON ({_why(error)})") from None
    if not isinstance(content, dict):
        raise DataError(f"{path.name} has no list images, as COCO's JSON has")
    return content


def _why(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}"
    return "an encoding, or a number, that JSON has not"


def _refuse_constant(word: str) -> object:
    raise ValueError(word)
