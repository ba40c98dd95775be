"""What a hospital sees of masks: their names and volumes, cases with outlines, a model's masks."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from tests.unit.client.masks.mask_files import PLACES, box, write_structures
from tests.unit.client.masks.outlined_site import PATCHES, small_plan, write_model, write_site
from tests.unit.client.masks.test_real_masks import unpacked

from medfl_client.commands.check import check_site
from medfl_client.commands.look import look
from medfl_client.commands.predict import predict
from medfl_client.config.folder import SiteFolder
from medfl_client.config.outline_folder import OutlineFolder
from medfl_client.config.site_file import load_site_file
from medfl_client.model_use.outlines import NEEDS
from medfl_client.readiness.assess import as_json, assess
from medfl_client.readiness.masks import UNMAPPED
from medfl_client.readiness.page import write_readiness
from medfl_common.errors import ConfigError, DataError
from medfl_common.plan.plan import Plan
from medfl_common.ui.overlay import COLOURS, WHITE, edge, outlined
from medfl_common.ui.screen import Screen


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return write_site(tmp_path / "site")


def plan_file(folder: Path, plan: Plan) -> Path:
    path = folder / "a-plan.yaml"
    path.write_text(plan.canonical())
    return path


def test_readiness_lists_names_cases_volumes_and_what_joins_nothing(site: Path) -> None:
    stray = dcmread(site / "dicom/p0/seg.dcm")
    stray.SOPInstanceUID, stray.FrameOfReferenceUID = "1.8.9", "1.4.9"
    stray.save_as(site / "dicom/stray.dcm")
    (site / "dicom/p3/seg.dcm").unlink()

    found = assess(site, load_site_file(site), small_plan())

    assert found.masks is not None
    assert [(one.name, one.masks, one.meaning) for one in found.masks.names] == [
        ("LUNG", 4, "lung")
    ]
    assert found.masks.without == {"no mask": 1}
    assert [*found.masks.unused] == ["stray.dcm"]
    assert found.masks.cases == {"lung": (3, 0, 0)}
    assert found.labels == {"background": 3, "lung": 3}
    # squares of 4, 5 and 6 rows of 8 pixels in 5 slices of 5 mm
    ml = [8 * rows * 25 / 1000 for rows in (4, 4.5, 5, 5.5, 6)]
    assert found.masks.ml["lung"] == pytest.approx(ml)
    seen = [finding.seen for finding in found.findings]
    assert any("images without a mask: 1 (1 x no mask)" in text for text in seen)
    assert any("masks without an image: 1" in text for text in seen)
    assert "stray.dcm" not in json.dumps(as_json(found, "here"))


@pytest.mark.parametrize("has_plan", [True, False])
def test_names_are_counted_when_the_site_file_does_not_map_them(
    tmp_path: Path, has_plan: bool
) -> None:
    site = write_site(tmp_path / "site", name="Lunge_re")

    found = assess(site, load_site_file(site), small_plan() if has_plan else None)

    assert found.masks is not None
    assert [(one.name, one.masks, one.meaning) for one in found.masks.names] == [
        ("Lunge_re", 4, "")
    ]
    texts = [finding.seen for finding in found.findings]
    assert any("'Lunge_re' (4 x)" in text for text in texts) == has_plan
    assert found.verdict == ("block" if has_plan else "warn")
    page = tmp_path / "page.html"
    write_readiness(found, "here", page, load_site_file(site).data)
    assert UNMAPPED in page.read_text()


def test_the_page_shows_masks_over_the_images(site: Path, tmp_path: Path) -> None:
    found = assess(site, load_site_file(site), small_plan())
    write_readiness(found, "here", tmp_path / "page.html", load_site_file(site).data)

    page = (tmp_path / "page.html").read_text()

    assert "The contours are its masks: lung orange" in page
    assert page.count("data:image/png") == 4


def test_an_edge_lies_within_its_class_in_its_colour() -> None:
    labels = np.zeros((5, 6), dtype=np.uint8)
    labels[1:4, 1:4], labels[4, 5] = 1, 255

    found = outlined(np.full((5, 6), 100, np.uint8), labels, ["lung"])

    assert edge(labels == 1).sum() == 8
    assert (found == COLOURS["orange"]).all(axis=2).sum() == 8
    assert tuple(found[4, 5]) == WHITE
    assert tuple(found[2, 2]) == (100, 100, 100)


@pytest.mark.parametrize("case", ["p2/3.dcm", "1.9.2.0", "1.3.2"])
def test_a_case_is_shown_by_path_or_uid_where_it_is_outlined(site: Path, case: str) -> None:
    paths = look(site, case, plan_file(site, small_plan()), "", 0, Screen())

    assert {path.parent.parent for path in paths} == {SiteFolder(site).looks}
    assert len(paths) == 4  # as many as are outlined of 8, from the first to the last
    with Image.open(paths[0]) as image:
        assert min(image.size) >= 384
    with pytest.raises(ConfigError, match="a model has its own"):
        look(site, case, plan_file(site, small_plan()), "last", 0, Screen())
    with pytest.raises(DataError, match=r"'nothing' is none of the 4 cases"):
        look(site, "nothing", plan_file(site, small_plan()), "", 0, Screen())


def test_the_worst_cases_of_a_model_are_shown_beside_the_truth(site: Path, tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", small_plan())

    paths = look(site, "", None, str(model), 2, Screen())

    assert len({path.parent for path in paths}) == 1  # one case validates of four
    with Image.open(paths[0]) as image:
        assert image.width > 2 * image.height


@pytest.mark.parametrize("images", [{}, PATCHES], ids=["whole", "patches"])
def test_predict_writes_a_mask_file_for_each_volume_and_their_volumes(
    images: dict[str, object], site: Path, tmp_path: Path
) -> None:
    pytest.importorskip("nibabel")
    import nibabel

    model, out = write_model(tmp_path / "model", small_plan(**images)), tmp_path / "out"

    predict(site, str(model), [site / "dicom"], out, Screen(), "nifti")

    with OutlineFolder(out).volumes.open(newline="") as file:
        rows = [*csv.DictReader(file)]
    written = [row for row in rows if row["written"]]
    assert len(written) == 4
    assert [row["remark"] for row in rows if not row["written"]] == [
        "modality SEG: not in the plan"
    ] * 4
    for row in written:
        voxels = np.asarray(nibabel.load(out / row["written"]).dataobj)
        assert voxels.shape == (16, 16, 9)
        assert int(row["lung voxels"]) == int((voxels == 1).sum())
        assert float(row["lung ml"]) == pytest.approx(int(row["lung voxels"]) * 0.005)


def test_predict_says_what_is_missing_before_it_works(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_model(tmp_path / "model", small_plan())
    monkeypatch.setitem(NEEDS, "dicom-seg", ("no_such_package", "seg"))

    with pytest.raises(ConfigError, match="not installed") as caught:
        predict(site, str(model), [site / "dicom"], tmp_path / "out", Screen(), "dicom-seg")

    assert caught.value.todo is not None
    assert "pip install medfl[seg]" in caught.value.todo


def test_regions_of_a_real_structure_set_are_listed_with_their_counts(tmp_path: Path) -> None:
    unpacked("rtstruct_sts", tmp_path / "dicom")
    site = tmp_path
    (site / "site.yaml").write_text("site: here\ndata: {folder: dicom, labels_from: masks}\n")

    found = assess(site, load_site_file(site), None)

    assert found.masks is not None
    assert found.masks.names
    assert all(one.masks >= 1 and not one.meaning for one in found.masks.names)


def test_stray_contours_are_counted_by_kind(tmp_path: Path) -> None:
    site = write_site(tmp_path / "site", n=2)
    for i, n_open in enumerate((1, 3)):
        (site / f"dicom/p{i}/seg.dcm").unlink()
        closed = [box(place, -4, 4 + i) for place in PLACES[2:7]]
        stray = [("OPEN_PLANAR", box(PLACES[3], -2, k)) for k in range(n_open)]
        write_structures(
            site / f"dicom/p{i}/rs.dcm", [("LUNG", [*closed, *stray])], f"1.4.{i}",
            PatientID=f"P{i}", SOPInstanceUID=f"1.8.{i}",
        )  # fmt: skip

    found = assess(site, load_site_file(site), small_plan())

    assert found.masks is not None
    assert found.masks.notes == {"contours are OPEN_PLANAR, not closed; not drawn": 2}
    assert any(
        finding.seen == "masks where contours are OPEN_PLANAR, not closed; not drawn: 2"
        for finding in found.findings
    )


def test_check_tries_a_step_with_a_frozen_encoder(site: Path, tmp_path: Path) -> None:
    values = small_plan().model_dump()
    values["model"] |= {"encoder": "r3d_18", "freeze": "all", "width": None, "levels": None}
    path = plan_file(tmp_path, Plan.model_validate(values))
    check_site(site, path, Screen("medfl-client"))
