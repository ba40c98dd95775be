"""Lists of boxes in COCO's JSON and in XML of PASCAL VOC; and hostile ones."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.unit.client.boxes.boxed_site import fault_of

from medfl_client.data.boxes.coco import CROWD, NO_BOX, read_coco
from medfl_client.data.boxes.joined import NO_ENTRY, join_entries
from medfl_client.data.boxes.listed import Entry, corners
from medfl_client.data.boxes.voc import read_folder
from medfl_client.data.dicom.header import Row
from medfl_client.data.reader import Source
from medfl_common.errors import DataError

IMAGES = [{"id": 7, "file_name": "a.png", "width": 640, "height": 480}]
CATEGORIES = [{"id": 3, "name": "mass"}]
VOC = """<annotation><folder>x</folder><filename>other.jpg</filename>
<size><width>640</width><height>480</height><depth>3</depth></size>{}</annotation>"""
OBJECT = """<object><name>{}</name><part><name>hand</name><bndbox><xmin>1</xmin></bndbox></part>
<bndbox><xmin>{}</xmin><ymin>2</ymin><xmax>{}</xmax><ymax>40</ymax></bndbox></object>"""


def coco(folder: Path, *annotations: Mapping[str, object], **changes: object) -> Path:
    own = [{"image_id": 7, "category_id": 3, **one} for one in annotations]
    content = {"images": IMAGES, "annotations": own, "categories": CATEGORIES, **changes}
    path = folder / "boxes.json"
    path.write_text(json.dumps(content))
    return path


def voc(folder: Path, content: str) -> Entry:
    (folder / "a.xml").write_text(content)
    return read_folder(folder)["a.xml"]


def test_coco_gives_names_sizes_and_boxes_and_tells_of_an_image_without(tmp_path: Path) -> None:
    more = [*IMAGES, {"id": "8", "file_name": "b/b.png"}]
    found = read_coco(coco(tmp_path, {"bbox": [10, 20, 30.5, 40]}, images=more))

    assert [(one.name, one.place) for one in found["a.png"].findings] == [
        ("mass", (10, 20, 40.5, 60))
    ]
    assert found["a.png"].size == (640, 480)
    assert (found["b/b.png"].nothing, found["b/b.png"].size) == ("image 2", None)


@pytest.mark.parametrize(("annotation", "why"), [
    ({"bbox": [1, 1, 5, 5], "iscrowd": 1}, CROWD),
    ({"segmentation": [[1, 1, 5, 5, 9, 9]]}, NO_BOX),
    ({"bbox": [1, 1, 5]}, "its bbox is not"),
    ({"bbox": [1, 1, 0, 5]}, "no area"),
    ({"bbox": [1, 1, "5 mm", 5]}, "width is no number"),
    ({"bbox": [1, True, 5, 5]}, "y is no number"),
    ({"bbox": [1, 1, 10**400, 5]}, "width is no number"),
], ids=["crowd", "outline", "three", "flat", "text", "bool", "huge"])  # fmt: skip
def test_an_annotation_that_cannot_be_costs_its_image(
    tmp_path: Path, annotation: dict[str, object], why: str
) -> None:
    entry = read_coco(coco(tmp_path, {"bbox": [1, 1, 5, 5]}, annotation))["a.png"]

    assert fault_of(entry).startswith("list of boxes, annotation 2: ")
    assert why in fault_of(entry)


@pytest.mark.parametrize(("content", "why"), [
    ("[" * 100_000, "too deep"),
    ('{"images":' * 100_000, "too deep"),
    ('{"images": [], "annotations": NaN}', "no list"),
    ('{"images": ' + "9" * 10_000 + "}", "no JSON"),
    ("\xff\xfe{", "no JSON"),
    ("{", "line 1"),
    ("[]", "no list images"),
    ('{"images": [1], "annotations": [], "categories": []}', "no list images"),
    ('{"images": [{"id": 1}], "annotations": [], "categories": []}', "image 1 has no file_name"),
    ('{"images": [{"id": 1, "file_name": "a", "width": -1, "height": 2}], "annotations": [], '
     '"categories": []}', "width or height"),
    ('{"images": [{"id": 1, "file_name": "a"}, {"id": 2, "file_name": "a"}], "annotations": [], '
     '"categories": []}', "image 2 has the file_name"),
    ('{"images": [], "annotations": [{"image_id": 1}], "categories": []}', "annotation 1 names an"),
    ('{"images": [{"id": 1, "file_name": "a"}], "annotations": [{"image_id": 1}], '
     '"categories": []}', "annotation 1 names a category"),
    ('{"images": [], "annotations": [], "categories": [{"id": 1}]}', "category 1 has no"),
])  # fmt: skip
def test_a_file_that_is_no_coco_is_refused_in_words(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(content, encoding="latin-1")

    with pytest.raises(DataError, match=why):
        read_coco(path)


def test_a_list_that_is_too_large_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    with path.open("wb") as file:
        file.truncate(2**28 + 1)  # a hole: it takes no room

    with pytest.raises(DataError, match="256 MB, above 256"):
        read_coco(path)


def test_voc_counts_pixels_from_1_and_both_ends_are_inside(tmp_path: Path) -> None:
    entry = voc(tmp_path, VOC.format(OBJECT.format("mass", 1, 640)))

    assert [(one.name, one.place) for one in entry.findings] == [("mass", (0, 1, 640, 40))]
    assert entry.size == (640, 480)
    assert voc(tmp_path, VOC.format("")).nothing


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize(("content", "why"), [
    (BOMB + VOC.format("&b;"), "document type"),
    (OUTSIDE + VOC.format("&a;"), "document type"),
    ('<!DOCTYPE annotation SYSTEM "http://127.0.0.1:9/x.dtd">' + VOC.format(""), "document type"),
    ("<annotation>" + "<a>" * 100_000, "nested too deep"),
    (VOC.format("<a>" + "x" * 10_000 + "</a>"), "too much text"),
    (VOC.format("&unknown;"), "no XML"),
    (VOC, "no XML"),
    ("<html></html>", "no annotation of PASCAL VOC"),
    ('<?xml version="1.0" encoding="none"?>' + VOC.format(""), "encoding that is not known"),
    (VOC.format(OBJECT.format("mass", 5, 5)), "list of boxes, object 1: the box has no area"),
    (VOC.format(OBJECT.format("", 5, 9)), "the box has no class"),
    (VOC.format("<object><name>mass</name></object>"), "xmin is no number"),
    (VOC.format(OBJECT.format("mass", "NaN", 5)), "xmin is no number"),
    (VOC.format("").replace("640", "-1"), "what no image has"),
    (VOC.format(OBJECT.format("mass", 5, 9) * 1001), "more than 1000 boxes"),
], ids=range(15))  # fmt: skip
def test_an_xml_that_cannot_be_costs_its_image_in_words(
    tmp_path: Path, content: str, why: str
) -> None:
    content = content.replace("{}", "<")

    assert why in fault_of(voc(tmp_path, content))


def test_a_folder_without_xml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no XML file"):
        read_folder(tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        read_folder(tmp_path / "none")


def test_the_four_ways_of_a_box_by_hand() -> None:
    assert corners([3, 4, 5, 7], "corners") == (3, 4, 5, 7)
    assert corners([3, 4, 5, 7], "pixels") == (3, 4, 6, 8)
    assert corners([3, 4, 5, 7], "pixels_from_1") == (2, 3, 5, 7)
    assert corners([3, 4, 5, 7], "size") == (3, 4, 8, 11)


def test_coco_is_read_as_pandas_and_numpy_write_it(tmp_path: Path) -> None:
    image = {"id": 7.0, "file_name": "a.png", "width": 640.0, "height": 480.0}
    other = {"id": 8, "file_name": "b.png", "width": float("nan"), "height": None}
    note = {"image_id": 7.0, "category_id": 3.0, "bbox": [1, 1, 5, 5], "area": float("nan")}
    found = read_coco(coco(tmp_path, {**note, "iscrowd": "0"}, images=[image, other]))

    assert (fault_of(found["a.png"]), found["a.png"].size) == ("", (640, 480))
    assert [one.place for one in found["a.png"].findings] == [(1, 1, 6, 6)]
    assert found["b.png"].size is None
    nan = read_coco(coco(tmp_path, {"bbox": [1, float("nan"), 5, 5]}))["a.png"]
    assert "y is no number" in fault_of(nan)


def test_two_categories_of_one_id_are_refused(tmp_path: Path) -> None:
    for twin in (3, "3", 3.0):
        path = coco(tmp_path, categories=[*CATEGORIES, {"id": twin, "name": "nodule"}])
        with pytest.raises(DataError, match="category 2 has the id of another") as caught:
            read_coco(path)
        assert caught.value.todo


def test_an_xml_file_may_keep_the_ending_of_its_image(tmp_path: Path) -> None:
    (tmp_path / "a.dcm.xml").write_text(VOC.format(""))
    sources = [Source((Row(name, sop=name),), 0) for name in ("a.dcm", "a.png", "b.dcm")]

    assert join_entries(sources, read_folder(tmp_path), "path").reasons == ["", NO_ENTRY, NO_ENTRY]
