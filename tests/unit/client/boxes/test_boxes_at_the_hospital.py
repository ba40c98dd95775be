"""What a hospital sees of boxes: names, counts, sizes, cases with their boxes; and volumes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.unit.client.boxes.boxed_site import box_plan, found_in, settings, write_site
from tests.unit.client.test_series import AXIAL, write_slice
from typer.testing import CliRunner

from medfl_client.cli import app
from medfl_client.commands.look import look
from medfl_client.config.folder import SiteFolder
from medfl_client.config.site_file import DataFiles, load_site_file
from medfl_client.data.boxes.drawn import TWICE
from medfl_client.data.boxes.joined import NO_ENTRY
from medfl_client.data.boxes.places import OUTSIDE_IMAGE
from medfl_client.data.boxes.slices import in_slice, most_boxed, through_findings
from medfl_client.data.ingest import collect
from medfl_client.doctor.files import check_labels
from medfl_client.doctor.site import private_names
from medfl_client.readiness.assess import as_json, assess
from medfl_client.readiness.boxes import UNMAPPED, box_tables
from medfl_client.readiness.page import write_readiness
from medfl_common.errors import DataError
from medfl_common.plan.plan import Plan
from medfl_common.ui.overlay import COLOURS, boxed
from medfl_common.ui.screen import Screen

LINES = [
    "p0.dcm,mass,8,8,24,16", "p0.dcm,mass,8,8,24,16", "p0.dcm,nodule,40,8,48,16",
    "p1.dcm,mass,8,8,40,16", "p2.dcm,,,,,", "elsewhere.dcm,mass,1,1,9,9",
]  # fmt: skip
ORANGE, BLUE = COLOURS["orange"], COLOURS["sky blue"]


def plan_file(folder: Path, plan: Plan) -> Path:
    path = folder / "a-plan.yaml"
    path.write_text(plan.canonical())
    return path


def test_readiness_lists_names_counts_sizes_and_what_joins_nothing(tmp_path: Path) -> None:
    site = write_site(tmp_path, LINES)

    found = assess(site, load_site_file(site), box_plan())

    facts = found.boxes
    assert facts is not None
    assert [(one.name, one.boxes, one.meaning) for one in facts.names] == [
        ("mass", 4, "mass"), ("nodule", 1, "nodule"),
    ]  # fmt: skip
    assert facts.cases == {"mass": (2, 1, 2), "nodule": (1, 2, 1)}
    assert facts.per_image == [0, 0.5, 1, 1.5, 2]
    assert facts.sizes["mass"] == [8, 10, 12, 14, 16]  # 16 and 32 of 64 pixels, in 32
    assert facts.unit == "pixels"
    assert facts.notes == {TWICE: 1}
    assert facts.without == {NO_ENTRY: 1}
    assert [*facts.unused] == ["boxes.csv: line 7"]
    assert found.labels == {"mass": 2, "nodule": 1}
    written = json.dumps(as_json(found, "here"))
    assert "elsewhere" not in written
    assert "p0.dcm" not in written
    write_readiness(found, "here", SiteFolder(site).readiness, load_site_file(site).data)
    page = SiteFolder(site).readiness.read_text()
    assert "What the list of boxes holds" in page
    assert "boxes.csv: line 7" in page


@pytest.mark.parametrize("has_plan", [True, False])
def test_names_are_counted_when_the_site_file_does_not_map_them(
    tmp_path: Path, has_plan: bool
) -> None:
    site = write_site(tmp_path, ["p0.dcm,Herd_3,8,8,24,16"])

    found = assess(site, load_site_file(site), box_plan() if has_plan else None)

    assert found.boxes is not None
    assert [(one.name, one.meaning) for one in found.boxes.names] == [("Herd_3", "")]
    assert box_tables(found.boxes)[0].rows == [["Herd_3", "1", UNMAPPED]]
    assert any("'Herd_3' (1 x)" in one.seen for one in found.findings) == has_plan


def test_look_writes_a_picture_with_its_boxes_and_lists_the_cases(tmp_path: Path) -> None:
    site = write_site(tmp_path, LINES)
    plan = plan_file(tmp_path, box_plan())

    assert look(site, "", plan, "", 0, Screen()) == []
    (path,) = look(site, "p0.dcm", plan, "", 0, Screen())

    shown = np.asarray(Image.open(path))
    assert shown.shape == (384, 384, 3)
    # the mass: rows 8 to 12, columns 4 to 12 of 32, in 384
    is_orange = (shown == ORANGE).all(axis=-1)
    rows, columns = np.nonzero(is_orange)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (96, 143, 48, 143)
    assert not is_orange[97:143, 49:143].any()
    assert (shown == BLUE).all(axis=-1).any()
    assert path.stat().st_mode & 0o077 == 0


def test_doctor_reads_the_list_and_keeps_its_name(tmp_path: Path) -> None:
    site = write_site(tmp_path, LINES)

    assert "boxes of 4 images" in check_labels(site, settings()).seen
    names = private_names(site, None)
    assert names["boxes.csv"] == "list of boxes"
    assert names[str(site)] == "site folder"


def test_a_box_is_drawn_where_it_is_and_stays_inside() -> None:
    image = np.zeros((10, 10), np.uint8)

    shown = boxed(image, np.array([[0, 5, 5, 4, 6], [1, 0, 9, 4, 8]], np.float32), 20)

    assert shown.shape == (20, 20, 3)
    rows, columns = np.nonzero((shown == ORANGE).all(axis=-1))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (6, 13, 4, 15)
    assert (shown[3, 10:] == BLUE).all()


VOLUMES = {"sample": "series", "dimensions": 3, "size": 32, "depth": 16, "spacing_mm": 1.0,
           "slice_mm": 2.0}  # fmt: skip
CANDIDATES = {"file": "candidates.csv", "format": "csv", "image_column": "seriesuid",
              "join": "SeriesInstanceUID", "position_columns": ["coordX", "coordY", "coordZ"],
              "diameter_column": "diameter_mm"}  # fmt: skip


def write_volumes(folder: Path, *lines: str) -> DataFiles:
    """Write 2 series of 9 slices of 16 x 16 mm, 5 mm apart around 0, and a list of candidates."""
    for i in range(2):
        for k in range(9):
            series = {"SeriesInstanceUID": f"1.3.{i}", "SOPInstanceUID": f"1.9.{i}.{k}",
                      "PatientID": f"P{i}"}  # fmt: skip
            write_slice(folder / f"images/{i}/{k}.dcm", 5.0 * (k - 4), AXIAL, 16, i + 1, **series)
    header = "seriesuid,coordX,coordY,coordZ,diameter_mm"
    (folder / "candidates.csv").write_text("\n".join([header, *lines, ""]))
    return DataFiles.model_validate(
        {"folder": "images", "labels_from": "boxes", "boxes": CANDIDATES}
    )


def test_candidates_become_boxes_with_their_diameter_along_each_axis(tmp_path: Path) -> None:
    plan = box_plan(images=VOLUMES, task={"classes": ["nodule"]})
    data = write_volumes(tmp_path, "1.3.0,2,-3,4,6", "1.3.0,-5,5,-10,4", "1.3.1,,,,")

    found = collect(tmp_path, tmp_path / "state", data, plan)

    # of 21 places, 2 mm apart, 16 are kept: that at 0 mm is the ninth. Pixels from 8 to 24 of 32
    assert found.boxes is not None
    assert found.boxes[0].tolist() == [[0, 10.5, 13, 18, 3, 6, 6], [0, 3.5, 21, 11, 2, 4, 4]]
    assert found.boxes[1].shape == (0, 7)
    assert found_in(found)["0/0.dcm"][0][0] == 0
    assert most_boxed(found.boxes[0], (16, 32, 32))[0] in range(2, 12)
    assert through_findings(found.boxes[0], 16, 9) == [3, 10]
    assert in_slice(found.boxes[0], 3).tolist() == [[0, 21, 11, 4, 4]]
    (tmp_path / "site.yaml").write_text(
        json.dumps({"site": "a", "data": data.model_dump(exclude_defaults=True)})
    )
    paths = look(tmp_path, "1", plan_file(tmp_path, plan), "", 0, Screen())
    assert [path.name for path in paths] == ["slice-004.png", "slice-011.png"]


@pytest.mark.parametrize(("line", "why"), [
    ("1.3.0,2,-3,400,6", OUTSIDE_IMAGE),
    ("1.3.0,2,-3,4,0", "list of boxes, line 3: the diameter is not above 0"),
    ("1.3.0,2,inf,4,6", "list of boxes, line 3: coordY is no number"),
])  # fmt: skip
def test_a_candidate_that_cannot_be_costs_its_volume(tmp_path: Path, line: str, why: str) -> None:
    plan = box_plan(images=VOLUMES, task={"classes": ["nodule"]})
    data = write_volumes(tmp_path, "1.3.1,2,-3,4,6", line)

    found = collect(tmp_path, tmp_path / "state", data, plan)

    assert [sample.row.series for sample in found.samples] == ["1.3.1"]
    assert {*found.refused.values()} == {why}
    assert not found.n_damaged


def test_millimetres_are_of_volumes_and_pixels_of_pictures(tmp_path: Path) -> None:
    data = write_volumes(tmp_path, "1.3.1,2,-3,4,6")

    with pytest.raises(DataError, match="2D, and the list of boxes has places in mm"):
        collect(tmp_path, tmp_path / "state", data, box_plan())
    with pytest.raises(DataError, match="volumes, and the list of boxes has places in pixels"):
        collect(tmp_path, tmp_path / "state", settings(), box_plan(images=VOLUMES))


def test_the_questions_about_data_keep_the_list_of_boxes(tmp_path: Path) -> None:
    site = write_site(tmp_path, LINES)
    before = load_site_file(site).data
    plan = plan_file(tmp_path, box_plan())

    for more in ([], ["--plan", str(plan)]):
        done = CliRunner().invoke(app, ["data", str(site), "--yes", *more])
        assert done.exit_code == 0, done.output
        assert "the labels are boxes" in done.output
        assert load_site_file(site).data == before
    (site / "site.yaml").write_text("site: here\ndata: {folder: images, labels_from: folder}\n")
    done = CliRunner().invoke(app, ["data", str(site), "--yes", "--plan", str(plan)])
    assert done.exit_code == 1
    assert "write labels_from: boxes" in done.output
