"""Synthetic livers: other programs read their outlines as what was drawn."""

import csv
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, uid
from tests.conftest import MakePlan
from tests.unit.sim.mask_oracles import (
    Mask,
    fill_structures,
    places_of,
    read_by_dcmqi,
    read_by_highdicom,
)
from tests.unit.sim.phantom_files import plan_for, read_images

from medfl_client.config.site_file import DataFiles, load_site_file
from medfl_client.data.ingest import collect
from medfl_sim.data.phantoms import KINDS
from medfl_sim.data.phantoms._hospital import Origin, invent_person
from medfl_sim.data.phantoms.organ_ct import habit_of, regions_of, scan

SEED, N_PATIENTS = 3, 3
SEG_SITE = 3
Case = tuple[list[Dataset], Dataset, dict[str, Mask]]  # images, outlines, what was drawn


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four hospitals."""
    return KINDS.get("organ-ct")(tmp_path_factory.mktemp("organ"), 4, N_PATIENTS, SEED)


@pytest.fixture(scope="module")
def hospitals(homes: list[Path]) -> list[list[Case]]:
    """Their patients."""
    return [cases_of(home) for home in homes]


def cases_of(home: Path) -> list[Case]:
    """Read each patient's files, and draw the patient once more."""
    files = read_images(home)
    origin = Origin("organ-ct", int(home.name[-1]), SEED)
    cases = []
    for number in range(N_PATIENTS):
        own = [file for file in files if int(file.PatientID[-4:]) == number]
        images = sorted((f for f in own if f.Modality == "CT"), key=lambda f: int(f.InstanceNumber))
        (outlines,) = (file for file in own if file.Modality != "CT")
        drawn = scan(origin, invent_person(number, origin.rng(0, number), (61, 11)))
        truth = {region.name: region.mask for region in regions_of(drawn, habit_of(origin))}
        cases.append((images, outlines, truth))
    return cases


def rows_of(home: Path) -> list[dict[str, str]]:
    with (home / "lesions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_contours_filled_by_another_program_are_the_regions(hospitals: list[list[Case]]) -> None:
    for cases in (*hospitals[: SEG_SITE - 1], *hospitals[SEG_SITE:]):
        for images, outlines, truth in cases:
            found = fill_structures(outlines, images)

            assert found.keys() == truth.keys()
            assert all(np.array_equal(found[name], truth[name]) for name in truth)


def test_two_programs_read_the_segments_as_the_regions(
    homes: list[Path], hospitals: list[list[Case]], tmp_path: Path
) -> None:
    home = homes[SEG_SITE - 1]
    for number, (images, _, truth) in enumerate(hospitals[SEG_SITE - 1]):
        (path,) = home.glob(f"dicom/SYN-{SEG_SITE}-{number:04d}/study-1/2-*.dcm")

        found = read_by_highdicom(path, images)
        assert found.keys() == truth.keys()
        assert all(np.array_equal(found[name], truth[name]) for name in truth)
        places = read_by_dcmqi(path, tmp_path / str(number))
        assert places == [places_of(mask, images) for mask in truth.values()]


def test_outlines_say_whose_they_are(hospitals: list[list[Case]]) -> None:
    for cases in hospitals:
        for images, outlines, _ in cases:
            first = images[0]
            for tag in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
                assert outlines[tag].value == first[tag].value
            assert outlines.SeriesInstanceUID != first.SeriesInstanceUID
            if outlines.Modality == "SEG":
                assert outlines.SOPClassUID == uid.SegmentationStorage
                series = outlines.ReferencedSeriesSequence[0]
                named = series.ReferencedInstanceSequence
                assert outlines.NumberOfFrames < len(images) * len(outlines.SegmentSequence)
            else:
                assert outlines.SOPClassUID == uid.RTStructureSetStorage
                frame = outlines.ReferencedFrameOfReferenceSequence[0]
                series = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
                named = series.ContourImageSequence
            assert series.SeriesInstanceUID == first.SeriesInstanceUID
            assert {item.ReferencedSOPInstanceUID for item in named} == {
                image.SOPInstanceUID for image in images
            }


def test_one_outline_holds_its_lesions_and_elsewhere_they_are_holes_in_it(
    hospitals: list[list[Case]],
) -> None:
    overlaps = []
    for cases in hospitals:
        _, _, truth = cases[0]
        liver, *lesions, _ = truth.values()
        overlaps.append(bool((liver & np.logical_or.reduce(lesions)).any()))

    assert overlaps == [True, False, False, False]


def test_the_site_file_maps_every_name_of_the_hospital(
    homes: list[Path], hospitals: list[list[Case]]
) -> None:
    for home, cases in zip(homes, hospitals, strict=True):
        masks = load_site_file(home).data.masks

        assert set(masks.names.values()) == {"liver", "tumour", "ignore"}
        assert masks.priority == (["tumour", "liver"] if home.name == "site-1" else [])
        for _, _, truth in cases:
            for name in truth:
                assert any(fnmatchcase(name, pattern) for pattern in masks.names), name


def test_hospitals_call_things_and_scan_differently(hospitals: list[list[Case]]) -> None:
    firsts = [cases[0] for cases in hospitals]
    images = [series[0] for series, _, _ in firsts]

    assert len({image.Manufacturer for image in images}) == 4
    assert len({(image.PixelSpacing[0], image.SliceThickness) for image in images}) == 4
    assert len({tuple(image.ImageOrientationPatient) for image in images}) == 3
    assert len({next(iter(truth)) for _, _, truth in firsts}) == 4
    assert [outlines.Modality for _, outlines, _ in firsts].count("SEG") == 1
    rises = [
        series[1].ImagePositionPatient[2] > series[0].ImagePositionPatient[2]
        for series, _, _ in firsts
    ]
    assert rises == [True, False, True, True]


def test_the_first_patient_has_lesions_where_the_table_says_and_the_second_none(
    homes: list[Path], hospitals: list[list[Case]]
) -> None:
    for home, cases in zip(homes, hospitals, strict=True):
        (images, _, truth), (healthy, _, without), _ = cases
        rows = [r for r in rows_of(home) if r["series_instance_uid"] == images[0].SeriesInstanceUID]
        liver, *lesions, _ = truth.values()
        voxels = np.array(sorted(places_of(np.logical_or.reduce(lesions), images)))
        ml = voxels.shape[0] * images[0].PixelSpacing[0] ** 2 * images[0].SliceThickness / 1000

        centres = np.array([[float(row[axis]) for axis in "xyz"] for row in rows])
        radii = np.array([float(row["diameter_mm"]) / 2 for row in rows])
        away = np.linalg.norm(voxels[:, None] - centres, axis=-1) - radii
        assert away.min(axis=1).max() < 0.2
        assert ml == pytest.approx((4 / 3 * np.pi * radii**3).sum() / 1000, rel=0.15)
        assert liver.sum() > 0
        assert len(without) == 2
        assert healthy[0].SeriesInstanceUID not in {row["series_instance_uid"] for row in rows}


def test_lesions_are_darker_than_the_liver(hospitals: list[list[Case]]) -> None:
    for cases in hospitals:
        images, _, truth = cases[0]
        hounsfield = np.array([image.pixel_array for image in images]) - 1024.0
        liver, *lesions, _ = truth.values()
        lesion = np.logical_or.reduce(lesions)

        assert hounsfield[lesion].mean() + 25 < hounsfield[liver & ~lesion].mean() < 130


def test_series_become_volumes_with_the_spine_at_the_back(
    homes: list[Path], hospitals: list[list[Case]], make_plan: MakePlan, tmp_path: Path
) -> None:
    task: dict[str, object] = {"type": "binary", "classes": ["healthy", "ill"]}
    rule = {"rule": "fixed", "centre": 60, "width": 500}
    plan = plan_for(
        make_plan, task, modality=["CT"], sample="series", dimensions=3, size=64, depth=24,
        spacing_mm=5.0, slice_mm=6.0, intensity=rule,
    )  # fmt: skip
    for home, cases in zip(homes, hospitals, strict=True):
        series = [images[0].SeriesInstanceUID for images, _, _ in cases]
        one_each = tmp_path / f"{home.name}.csv"
        one_each.write_text("key,word\n" + "".join(f"{name},ill\n" for name in series))
        data = DataFiles(
            folder=str(home / "dicom"), labels=str(one_each), join="SeriesInstanceUID",
            join_column="key", label_column="word",
        )  # fmt: skip

        found = collect(tmp_path, tmp_path / home.name, data, plan)

        assert len(found.samples) == N_PATIENTS
        body = found.pixels[found.rows][:, 0, 12].mean(axis=0)
        assert body[42:48, 30:34].mean() > body[14:22, 30:34].mean() + 20
