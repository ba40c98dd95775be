"""Boxes of images as hospitals list them: CSV, COCO, Pascal VOC, and the NIH's list."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from medfl_common.ui.spreadsheet import CsvWriter

Pixels = tuple[int, int, int, int]  # first column and row, number of columns and rows
CSV_COLUMNS = ("sop_instance_uid", "finding", "x_min", "y_min", "x_max", "y_max")
NIH_COLUMNS = ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]")


@dataclass(frozen=True)
class Marked:
    """An image, and what is boxed in it."""

    uid: str
    path: str  # in the images' folder
    shape: tuple[int, int]  # H, W
    boxes: Sequence[tuple[str, Pixels]]  # name and place


def write_csv(images: Iterable[Marked], folder: Path) -> None:
    """List the edges of each box by SOPInstanceUID; an image without one has a row without."""
    with (folder / "boxes.csv").open("w", encoding="utf-8", newline="") as file:
        table = CsvWriter(file)
        table.row(CSV_COLUMNS)
        for image in images:
            for name, (x, y, wide, high) in image.boxes:
                table.row((image.uid, name, x, y, x + wide, y + high))
            if not image.boxes:
                table.row((image.uid, "", "", "", "", ""))


def write_coco(images: Iterable[Marked], folder: Path) -> None:
    """Write one JSON file of images, categories and annotations (cocodataset.org, format-data)."""
    named: dict[str, int] = {}
    pictures, annotations = [], list[dict[str, object]]()
    for number, image in enumerate(images, start=1):
        height, width = image.shape
        pictures.append({"id": number, "file_name": image.path, "width": width, "height": height})
        for name, box in image.boxes:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": named.setdefault(name, len(named) + 1),
                    "bbox": [*box],
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
    kinds = [{"id": number, "name": name} for name, number in named.items()]
    whole = {"images": pictures, "categories": kinds, "annotations": annotations}
    (folder / "boxes.json").write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")


def write_voc(images: Iterable[Marked], folder: Path) -> None:
    """Write an XML file with the path of each image; the first pixel is 1, the last is inside."""
    for image in images:
        top = ElementTree.Element("annotation")
        _put(top, filename=Path(image.path).name)
        height, width = image.shape
        _put(ElementTree.SubElement(top, "size"), width=width, height=height, depth=1)
        for name, (x, y, wide, high) in image.boxes:
            one = ElementTree.SubElement(top, "object")
            _put(one, name=name, truncated=0, difficult=0)
            edges = ElementTree.SubElement(one, "bndbox")
            _put(edges, xmin=x + 1, ymin=y + 1, xmax=x + wide, ymax=y + high)
        path = (folder / "boxes" / image.path).with_suffix(".xml")
        path.parent.mkdir(parents=True, exist_ok=True)
        ElementTree.indent(top)
        path.write_text(ElementTree.tostring(top, encoding="unicode") + "\n", encoding="utf-8")


def write_nih(images: Iterable[Marked], folder: Path) -> None:
    """List boxes by file name, as BBox_List_2017.csv does; an image without one is not there.

    Wang et al.: ChestX-ray8. CVPR 2017.
    """
    with (folder / "boxes.csv").open("w", encoding="utf-8", newline="") as file:
        table = CsvWriter(file)
        table.row(NIH_COLUMNS)
        for image in images:
            for name, box in image.boxes:
                table.row((Path(image.path).name, name, *box))


def _put(parent: ElementTree.Element, **texts: object) -> None:
    for tag, text in texts.items():
        ElementTree.SubElement(parent, tag).text = str(text)
