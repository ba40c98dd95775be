"""What a detection model finds, in the numbers of an image's own file."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from tests.squares import VOLUMES, box_plan
from tests.unit.client.masks.mask_files import PLACES, SIDE
from tests.unit.client.pixel_files import write
from tests.unit.client.test_series import AXIAL, write_slice

from medfl_client.commands.predict import predict
from medfl_client.commands.predict_boxes import box_kind
from medfl_client.config.folder import SiteFolder
from medfl_client.data.boxes.coco import read_coco
from medfl_client.data.boxes.field import field_of
from medfl_client.data.boxes.listed import Box
from medfl_client.data.boxes.places import in_input
from medfl_client.data.masks.headers import image_grid, volume_grid
from medfl_client.model_use.found_boxes import in_own
from medfl_common.errors import ConfigError
from medfl_common.models import build_model
from medfl_common.models.weights import shared_weights
from medfl_common.plan.plan import Plan
from medfl_common.run.model_file import Reading, save_model
from medfl_common.ui.screen import Screen

SITE = {
    "site": "here",
    "data": {"folder": "dicom", "labels_from": "masks", "masks": {"names": {"LUNG": "lung"}}},
}
CT: dict[str, object] = {"modality": ["CT"]}


def volumes() -> Plan:
    return box_plan(images={**CT, **VOLUMES, "size": 16, "depth": 8, "slice_mm": 5.0})


def written(folder: Path, plan: Plan) -> tuple[Path, Path, Path]:
    """Write a site without data, a model that has learnt nothing, and images to look at."""
    site, images = folder / "site", folder / "images"
    (site / "dicom").mkdir(parents=True)
    (site / "site.yaml").write_text(yaml.safe_dump(SITE))
    images.mkdir()
    save_model(folder / "model", plan, shared_weights(build_model(plan)), Reading(0.5))
    if plan.images.dimensions == 3:
        for k, place in enumerate(PLACES):
            uids = {"SeriesInstanceUID": "1.3.1", "SOPInstanceUID": f"1.9.1.{k}"}
            write_slice(images / f"{k}.dcm", place, AXIAL, SIDE, 1, **uids, PatientID="P",
                        StudyInstanceUID="1.2.1", FrameOfReferenceUID="1.4.1")  # fmt: skip
    else:
        for name, sides in {"a": (60, 40), "b": (32, 64)}.items():
            ramp = (np.arange(sides[0] * sides[1]) % 2000).astype(np.int16).reshape(sides)
            write(images / f"{name}.dcm", ramp)
    return site, folder / "model", images


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_boxes_of_pictures_are_the_same_in_csv_and_coco(tmp_path: Path) -> None:
    plan = box_plan(images=CT)
    site, model, images = written(tmp_path, plan)

    predict(site, str(model), [images], None, Screen(), least=0.005)
    predict(site, str(model), [images], None, Screen(), "coco", 0.005)

    rows = [row for row in rows_of(SiteFolder(site).predictions) if row["class"]]
    coco = json.loads(SiteFolder(site).predictions.with_suffix(".json").read_text())
    assert [(one["file_name"][-5:], one["height"], one["width"]) for one in coco["images"]] == [
        ("a.dcm", 60, 40), ("b.dcm", 32, 64)
    ]  # fmt: skip
    assert len(rows) == len(coco["annotations"]) > 20
    for row, one in zip(rows, coco["annotations"], strict=True):
        x, y, width, height = one["bbox"]
        corners = [float(row[name]) for name in ("x_min", "y_min", "x_max", "y_max")]
        assert corners == pytest.approx([x, y, x + width, y + height], abs=0.01)
        assert float(row["score"]) == one["score"] >= 0.005
        assert coco["categories"][one["category_id"] - 1]["name"] == row["class"]
    centres = [float(row["y_min"]) + float(row["y_max"]) for row in rows if row["image"] == "1"]
    assert max(centres) / 2 > 35  # the file has 60 rows, the network 32
    assert {row["frame"] for row in rows} == {"1"}
    for row in rows:
        height, width = (60, 40) if row["image"] == "1" else (32, 64)
        assert 0 <= float(row["x_min"]) < float(row["x_max"]) <= width
        assert 0 <= float(row["y_min"]) < float(row["y_max"]) <= height
    with Image.open(SiteFolder(site).path / "predictions.csv.png") as sheet:
        assert sheet.width > 2 * 256


def test_boxes_of_volumes_are_in_mm_and_what_is_not_sure_or_no_image_is_said(
    tmp_path: Path,
) -> None:
    site, model, images = written(tmp_path, volumes())
    (images / "broken.dcm").write_bytes(b"nothing")
    out = tmp_path / "found.csv"

    predict(site, str(model), [images], out, Screen(), least=0.0)
    (*rows, broken) = rows_of(out)
    predict(site, str(model), [images], out, Screen(), least=1.0)
    (nothing, _) = rows_of(out)

    assert len(rows) > 10
    assert broken["remark"]
    assert not broken["class"]
    sides = np.array([[float(row[f"{axis}_mm"]) for axis in ("across_slices", "down", "along")]
                      for row in rows])  # fmt: skip
    diameters = [float(row["diameter_mm"]) for row in rows]
    np.testing.assert_allclose(np.cbrt(sides.prod(axis=1)), diameters, rtol=0.02)
    low, high = min(PLACES), max(PLACES)
    assert all(low - 10 < float(row["z_mm"]) < high + 10 for row in rows)
    assert nothing["remark"] == "no box from this score on"
    assert nothing["image"] == "1"
    assert not (tmp_path / "found.csv.png").exists()  # it was of the first run


def test_a_box_comes_back_from_the_input_as_it_was(tmp_path: Path) -> None:
    _, _, pictures = written(tmp_path / "2d", box_plan(images=CT))
    _, _, slices = written(tmp_path / "3d", volumes())
    flat = field_of(image_grid(pictures / "a.dcm", 0), box_plan(images=CT).images)
    deep = field_of(volume_grid(sorted(slices.iterdir())), volumes().images)
    ways, offset = deep.matrix[:, :-1], deep.matrix[:, -1]
    middle = np.linalg.solve(ways, deep.sides / 2 - offset)

    (box,) = in_input([Box(0, (10.0, 12.0, 18.0, 20.0))], flat, [])
    centre, sides = in_own(box[None, 1:], flat)
    (ball,) = in_input([Box(0, (*middle.tolist(), 4.0))], deep, [])
    place, diameters = in_own(ball[None, 1:], deep)

    np.testing.assert_allclose([*centre[0], *sides[0]], [14, 16, 8, 8], atol=1e-4)
    np.testing.assert_allclose(place[0], middle, atol=1e-3)
    np.testing.assert_allclose(diameters[0], 4, atol=1e-3)


def test_no_file_of_anybody_is_written_over(tmp_path: Path) -> None:
    site, model, images = written(tmp_path, box_plan(images=CT))
    for name in ("theirs.csv", "new.csv.png"):
        (tmp_path / name).write_text("image,dose\n")

    for place, reason in {
        tmp_path / "theirs.csv": "theirs.csv is there, and no earlier predict of boxes wrote it",
        tmp_path / "new.csv": "new.csv.png is there",
        tmp_path / "found.png": "named like an image",
        site / "dicom" / "found.csv": "among the site's own data",
    }.items():
        with pytest.raises(ConfigError, match=reason):
            predict(site, str(model), [images], place, Screen(), least=0.005)
    for kind, least in (("csv", 0.005), ("coco", 1.0), ("csv", 0.005)):
        out = tmp_path / "mine"
        predict(site, str(model), [images], out, Screen(), box_kind(kind), least)

    assert (tmp_path / "mine.png").exists()
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {
        "theirs.csv", "new.csv.png", "mine", "mine.png"
    }  # fmt: skip
    assert (tmp_path / "theirs.csv").read_text() == "image,dose\n"


def test_frames_count_from_1_and_coco_has_one_image_a_file(tmp_path: Path) -> None:
    site, model, images = written(tmp_path, box_plan(images=CT))
    (images / "b.dcm").write_bytes(b"nothing")
    csv_file, json_file = tmp_path / "found.csv", tmp_path / "found.json"

    predict(site, str(model), [images], json_file, Screen(), "coco", 0.005)
    ramps = (np.arange(3 * 48 * 64) % 2000).reshape(3, 48, 64).astype(np.int16)
    write(images / "m.dcm", ramps, NumberOfFrames=3, PatientID="M")
    predict(site, str(model), [images], csv_file, Screen(), least=0.005)
    with pytest.raises(ConfigError, match=r"m\.dcm has several frames"):
        predict(site, str(model), [images], json_file, Screen(), "coco", 0.005)

    frames = {row["frame"] for row in rows_of(csv_file) if row["file"].endswith("m.dcm")}
    content = json.loads(json_file.read_text())
    assert frames == {"1", "2", "3"}
    assert [path[-5:] for path in content["info"]["not_looked_at"]] == ["b.dcm"]
    assert {*read_coco(json_file)} == {content["images"][0]["file_name"]}


def test_what_no_model_writes_is_refused(tmp_path: Path) -> None:
    site, model, images = written(tmp_path, volumes())

    with pytest.raises(ConfigError, match="COCO has boxes of pictures"):
        predict(site, str(model), [images], None, Screen(), "coco")
    with pytest.raises(ConfigError, match="a model that boxes writes csv or coco, not nifti"):
        predict(site, str(model), [images], None, Screen(), "nifti")
