"""A plan may ask for one plane; series of several planes are told."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid
from tests.conftest import MakePlan
from tests.unit.client.test_planes import TILTED, frames_of
from tests.unit.client.test_series import AXIAL, FEET_FIRST, write_slice

from medfl_client.commands.plan_summary import summarise
from medfl_client.config.site_file import DataFiles, load_site_file
from medfl_client.data.dicom.header import Row, Rules, read_row
from medfl_client.data.dicom.plane import plane_name
from medfl_client.data.reasons import count_reasons
from medfl_client.data.selection import sources_of
from medfl_client.readiness.assess import assess
from medfl_common.plan.plan import Plan, load_plan

CORONAL, SAGITTAL = (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)
DIAGONAL = (1, 0, 0, 0, 0.70710678, -0.70710678)
FILES = DataFiles(folder=".", labels_from="folder")


def row_at(path: Path) -> Row:
    return read_row(path, path.name, Rules(b"k"))


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    """Three axial series, two coronal and one sagittal, of four slices each."""
    found = []
    for i, way in enumerate([AXIAL, FEET_FIRST, TILTED, CORONAL, CORONAL, SAGITTAL]):
        uid = generate_uid()
        paths = [
            write_slice(tmp_path / f"{i}-{z}.dcm", float(z), way, SeriesInstanceUID=uid)
            for z in range(4)
        ]
        for z, path in enumerate(paths):
            dataset = dcmread(path)
            dataset.ImagePositionPatient = _along(way, z)
            dataset.save_as(path)
        found += [row_at(path) for path in paths]
    return found


def _along(way: tuple[float, ...], z: int) -> list[float]:
    (a, b, c), (d, e, f) = way[:3], way[3:]
    return [z * (b * f - c * e), z * (c * d - a * f), z * (a * e - b * d)]


def plan_of(make_plan: MakePlan, plane: str, **images: object) -> Plan:
    return load_plan(make_plan(images={"modality": ["CT"], "plane": plane, **images}))


@pytest.mark.parametrize(
    ("orientation", "plane"),
    [
        (AXIAL, "axial"), (FEET_FIRST, "axial"), (TILTED, "axial"), (CORONAL, "coronal"),
        (SAGITTAL, "sagittal"), (DIAGONAL, "oblique"),
    ],
)  # fmt: skip
def test_a_plane_is_what_the_normal_runs_along(
    orientation: tuple[float, ...], plane: str, tmp_path: Path
) -> None:
    path = write_slice(tmp_path / "a.dcm", 0.0)
    dataset = dcmread(path)
    dataset.ImageOrientationPatient = list(orientation)
    dataset.save_as(path)

    assert plane_name(row_at(path).orientation) == plane


def test_a_multi_frame_file_has_the_plane_of_its_functional_groups(tmp_path: Path) -> None:
    path = frames_of(tmp_path / "a.dcm", [((0, 0, z), SAGITTAL) for z in range(3)])

    assert plane_name(row_at(path).orientation) == "sagittal"


def test_frames_in_several_planes_are_of_none(make_plan: MakePlan, tmp_path: Path) -> None:
    """The first frame alone would make the file axial."""
    path = frames_of(tmp_path / "a.dcm", [((0, 0, 0), AXIAL), ((0, 0, 1), CORONAL)])
    nearly = (1, 0.001, 0, -0.001, 1, 0)
    other = frames_of(tmp_path / "b.dcm", [((0, 0, 0), AXIAL), ((0, 0, 1), nearly)])

    kept, refused = sources_of(
        [row_at(path), row_at(other)], FILES, plan_of(make_plan, "axial", size=16), tmp_path
    )

    assert refused == {"a.dcm": "plane mixed: not in the plan (images.plane)"}
    assert {source.rows[0].name for source in kept} == {"b.dcm"}


@pytest.mark.parametrize(("plane", "n"), [("axial", 3), ("coronal", 2), ("sagittal", 1)])
def test_other_planes_than_the_plans_are_left_out_and_counted(
    plane: str, n: int, rows: list[Row], make_plan: MakePlan, tmp_path: Path
) -> None:
    volumes = {"sample": "series", "dimensions": 3, "depth": 4, "size": 16}
    kept, refused = sources_of(rows, FILES, plan_of(make_plan, plane, **volumes), tmp_path)
    every, _ = sources_of(rows, FILES, plan_of(make_plan, "any", **volumes), tmp_path)

    assert (len(kept), len(every)) == (n, 6)
    assert {plane_name(row.orientation) for source in kept for row in source.rows} == {plane}
    counts = {"axial": 12, "coronal": 8, "sagittal": 4}
    del counts[plane]
    assert count_reasons(refused) == {
        f"plane {other}: not in the plan (images.plane)": n for other, n in counts.items()
    }


def test_an_image_without_an_orientation_is_of_no_plane(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    path = write_slice(tmp_path / "a.dcm", 0.0)
    dataset = dcmread(path)
    del dataset.ImageOrientationPatient
    dataset.save_as(path)

    kept, _ = sources_of([row_at(path)], FILES, plan_of(make_plan, "any"), tmp_path)
    _, refused = sources_of([row_at(path)], FILES, plan_of(make_plan, "axial"), tmp_path)

    assert len(kept) == 1
    assert refused == {"a.dcm": "plane missing: not in the plan (images.plane)"}


def test_readiness_tells_several_planes_where_the_plan_takes_any(
    rows: list[Row], make_plan: MakePlan, tmp_path: Path
) -> None:
    site = _site(tmp_path, rows)

    told = _findings(site, plan_of(make_plan, "any"))
    silent = _findings(site, plan_of(make_plan, "axial"))

    assert "this folder holds 3 axial, 2 coronal, 1 sagittal series; the plan takes any" in told
    assert not any("series; the plan takes any" in text for text in silent)


def test_a_plane_is_part_of_a_hash_where_the_plan_names_one(make_plan: MakePlan) -> None:
    plain, axial = plan_of(make_plan, "any"), plan_of(make_plan, "axial")

    assert '"plane"' not in plain.canonical()
    assert plain.hash() != axial.hash()
    assert any("of the axial plane" in answer for _, answer in summarise(axial))


def _site(folder: Path, rows: list[Row]) -> Path:
    """Make a site whose label is the folder that an image is in."""
    site = folder / "site"
    for i, row in enumerate(rows):
        target = site / "dicom" / ("normal", "opacity")[i % 2]
        target.mkdir(parents=True, exist_ok=True)
        dataset = dcmread(folder / row.path)
        dataset.SOPInstanceUID, dataset.PatientID = generate_uid(), str(i)
        noise = np.random.default_rng(i).integers(0, 999, (16, 16), np.int16)
        pixels = dataset.pixel_array + noise  # no two images are equal
        dataset.PixelData = pixels.tobytes()
        dataset.save_as(target / row.path)
        (folder / row.path).unlink()
    (site / "site.yaml").write_text("site: north\ndata: {folder: dicom, labels_from: folder}\n")
    return site


def _findings(site: Path, plan: Plan) -> list[str]:
    return [finding.seen for finding in assess(site, load_site_file(site), plan).findings]
