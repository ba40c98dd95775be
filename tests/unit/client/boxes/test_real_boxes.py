"""Real lists: 255 blood smears in two forms that must say the same, and NIH's boxes."""

import csv
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import SHARED
from tests.unit.client.boxes.boxed_site import box_plan, fault_of

from medfl_client.config.site_file import DataFiles
from medfl_client.data.boxes.lists import read_entries
from medfl_client.data.ingest import Collection, collect
from medfl_common.plan.plan import Plan
from medfl_sim.data.sources import SOURCES

CORNERS = {"format": "csv", "image_column": "file", "class_column": "class",
           "columns": ["xmin", "ymin", "xmax", "ymax"], "box": "pixels_from_1"}  # fmt: skip
SIZES = {"image_column": "file", "class_column": "finding", "box": "size",
         "columns": ["x", "y", "width", "height"], "image_size": [1024, 1024]}  # fmt: skip


def shared(name: str) -> Path:
    folder = SHARED / "segmentation" / name
    if not folder.is_dir():
        pytest.skip(f"no real boxes on this machine (../shared/data/segmentation/{name})")
    return folder


def settings(folder: Path, **boxes: object) -> DataFiles:
    data = {"folder": str(folder), "labels_from": "boxes", "boxes": boxes}
    return DataFiles.model_validate(data)


def read(state: Path, data: DataFiles, plan: Plan) -> Collection:
    return collect(Path("/"), state, data, plan, reader=SOURCES.get("pictures")())


def a_plan(*classes: str, size: int = 64) -> Plan:
    return box_plan(task={"classes": [*classes]}, images={"modality": ["OT"], "size": size})


def test_of_the_blood_smears_the_csv_and_the_xml_files_say_the_same(tmp_path: Path) -> None:
    base = shared("bccd")
    table = settings(base / "images", file=str(base / "boxes.csv"), **CORNERS)
    files = settings(base / "images", file=str(base / "voc"), format="voc")

    by_line = read_entries(Path("/"), table, b"")
    by_file = read_entries(Path("/"), files, b"")

    assert len(by_line) == len(by_file) == 255
    lost = {key for key, entry in by_line.items() if fault_of(entry)}
    assert lost == {"BloodImage_00338.jpg", "BloodImage_00343.jpg"}  # a click, no box
    for key, entry in by_line.items():
        other = by_file[key.replace(".jpg", ".xml")]
        assert bool(fault_of(other)) == (key in lost)
        assert sorted((one.name, one.place) for one in entry.findings) == sorted(
            (one.name, one.place) for one in other.findings
        )
    some = tmp_path / "images"
    some.mkdir()
    for path in sorted((base / "images").iterdir())[:6]:
        (some / path.name).write_bytes(path.read_bytes())
    plan = a_plan("WBC", "RBC", "Platelets")

    one = read(tmp_path / "a", settings(some, file=str(base / "boxes.csv"), **CORNERS), plan)
    two = read(tmp_path / "b", settings(some, file=str(base / "voc"), format="voc"), plan)

    assert one.boxes is not None
    assert two.boxes is not None
    assert len(one.samples) == 6
    assert len(one.unused_boxes) == len(two.unused_boxes) == 249
    for own, other in zip(one.boxes, two.boxes, strict=True):
        np.testing.assert_array_equal(own, other)
    # the first: WBC from 259 to 491 and 176 to 376 of 640 x 480, in 64 x 48 and 8 rows of black
    assert one.boxes[0][0].tolist() == pytest.approx([0, 35.6, 37.5, 20, 23.2])


def test_boxes_of_1024_pixels_are_brought_to_radiographs_of_256(tmp_path: Path) -> None:
    base = shared("cxr_nih_boxes")
    folder = SHARED / "cxr_nih" / "images"
    plan = a_plan("lesion", size=128)
    data = settings(folder, file=str(base / "boxes.csv"), names={"*": "lesion"}, **SIZES)

    found = read(tmp_path / "state", data, plan)

    assert len(found.samples) == 18
    assert found.boxes is not None
    assert sum(map(len, found.boxes)) == 21
    (place,) = [i for i, s in enumerate(found.samples) if s.row.name == "00008365_000.png"]
    # x 337.9 to 755.5 and y 509.6 to 913.1 of 1024, in 128
    assert found.boxes[place][0].tolist() == pytest.approx(
        [0, 88.92, 68.34, 50.44, 52.20], abs=0.01
    )

    # the list as NIH wrote it
    original = tmp_path / "BBox_List_2017.csv"
    with (base / "boxes.csv").open() as file:
        lines = [",".join([*row, "", "", ""]) for row in [*csv.reader(file)][1:]]
    header = "Image Index,Finding Label,Bbox [x,y,w,h],,,"
    original.write_text("\n".join([header, *lines]))
    data = settings(folder, file=str(original), format="nih", names={"*": "lesion"})
    again = read(tmp_path / "state", data, plan)
    assert again.boxes is not None
    for own, other in zip(found.boxes, again.boxes, strict=True):
        np.testing.assert_array_equal(own, other)
