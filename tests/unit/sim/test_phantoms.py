"""Synthetic hospitals of every kind: their files, labels, and that medfl's own ingest takes all."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from pydicom import uid
from tests.conftest import MakePlan
from tests.unit.sim.phantom_files import (
    GRADES,
    N_SAMPLES,
    NEW,
    Hospitals,
    hounsfield_at,
    ingest,
    place_of,
    plan_for,
    read_images,
    read_rows,
    read_volumes,
)

from medfl_client.config.site_file import DataFiles, load_site_file
from medfl_client.data.ingest import collect
from medfl_sim.data.phantoms import KINDS


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory: pytest.TempPathFactory) -> Hospitals:
    """Three hospitals of each new kind."""
    folder = tmp_path_factory.mktemp("phantoms")
    return {kind: KINDS.get(kind)(folder / kind, 3, N_SAMPLES, 3) for kind in NEW}


@pytest.mark.parametrize("kind", NEW)
def test_every_file_says_that_it_is_synthetic_and_whose_it_is_not(
    kind: str, hospitals: Hospitals
) -> None:
    for image in (image for home in hospitals[kind] for image in read_images(home)):
        assert image.PatientName == "SYNTHETIC^PHANTOM"
        assert image.SeriesDescription == "SYNTHETIC PHANTOM, NOT A PATIENT"
        assert image.BurnedInAnnotation == "YES"
        assert image.PatientID.startswith("SYN-")
        assert image.PatientSex in ("F", "M")
        assert 18 <= int(image.PatientAge[:3]) <= 89
        assert image.pixel_array.std() > 0


@pytest.mark.parametrize("kind", NEW)
def test_hospitals_share_neither_patient_nor_manufacturer(kind: str, hospitals: Hospitals) -> None:
    sites = [read_images(home) for home in hospitals[kind]]

    for tag in ("PatientID", "StudyInstanceUID", "SOPInstanceUID", "Manufacturer"):
        values = [{image[tag].value for image in images} for images in sites]
        assert len(set.union(*values)) == sum(len(group) for group in values)
    assert {image.Manufacturer for images in sites for image in images} == {
        "PHANTOM ALPHA", "PHANTOM BETA", "PHANTOM GAMMA",
    }  # fmt: skip


def test_mammograms_have_both_views_and_a_breast_has_one_finding(hospitals: Hospitals) -> None:
    for home in hospitals["mammography"]:
        images = {image.SOPInstanceUID: image for image in read_images(home)}
        rows = read_rows(home)
        findings: dict[tuple[str, str], set[str]] = {}
        for row in rows:
            image = images[row["sop_instance_uid"]]
            assert (image.ViewPosition, image.ImageLaterality) == (row["view"], row["laterality"])
            breast = (image.PatientID, image.ImageLaterality)
            findings.setdefault(breast, set()).add(row["finding"])

        assert len(rows) == len(images) == N_SAMPLES
        assert {row["view"] for row in rows} == {"CC", "MLO"}
        assert {row["finding"] for row in rows} == {"benign", "malignant"}
        assert all(len(words) == 1 for words in findings.values())


def test_all_mammograms_but_one_hospitals_are_monochrome1(hospitals: Hospitals) -> None:
    firsts = [read_images(home)[0] for home in hospitals["mammography"]]

    kinds = Counter(image.PhotometricInterpretation for image in firsts)
    assert kinds == {"MONOCHROME1": 2, "MONOCHROME2": 1}
    for image in firsts:
        assert image.SOPClassUID == uid.DigitalMammographyXRayImageStorageForPresentation
        assert (image.Rows, image.Columns, image.BitsAllocated) == (256, 192, 16)
        assert image.ImagerPixelSpacing[0] > 0


def test_mammograms_are_all_used(hospitals: Hospitals, make_plan: MakePlan, tmp_path: Path) -> None:
    task: dict[str, object] = {"type": "binary", "classes": ["benign", "malignant"]}
    plan = plan_for(make_plan, task, modality=["MG"], view=["CC", "MLO"], size=64)

    for home in hospitals["mammography"]:
        found = ingest(home, plan, tmp_path / home.name)

        assert len(found.samples) == N_SAMPLES
        assert found.refused == {}
        assert found.n_labels_unused == 0
        # Whatever the polarity: black air, away from the stamp.
        assert np.median(found.pixels[found.rows][:, 0, -10:, -64:]) < 40


def test_photographs_have_five_grades_and_neighbours_in_one_patient(
    hospitals: Hospitals, make_plan: MakePlan, tmp_path: Path
) -> None:
    task: dict[str, object] = {"type": "ordinal", "classes": GRADES}
    plan = plan_for(make_plan, task, modality=["OP"], size=32, channels=3, colour=True)

    for home in hospitals["fundus"]:
        found = ingest(home, plan, tmp_path / home.name)

        assert len(found.samples) == N_SAMPLES
        assert found.refused == {}
        assert found.pixels.shape[1:] == (3, 32, 32)
        assert {sample.label for sample in found.samples} == set(range(5))
        grades: dict[str, list[int]] = {}
        for sample in found.samples:
            grades.setdefault(sample.patient, []).append(sample.label)
        assert all(len(eyes) == 2 and abs(eyes[0] - eyes[1]) <= 1 for eyes in grades.values())


def test_photographs_are_colour_on_black(hospitals: Hospitals) -> None:
    for image in read_images(hospitals["fundus"][0]):
        colour: NDArray[np.uint8] = image.pixel_array

        red, green, blue = colour[40:120, 40:120].reshape(-1, 3).mean(axis=0)
        assert image.PhotometricInterpretation == "RGB"
        assert red > green > blue
        assert colour[-3:, :3].max() == 0


def test_every_nodule_lies_in_a_bright_voxel_inside_a_dark_lung(hospitals: Hospitals) -> None:
    for home in hospitals["lung-ct"]:
        volumes = read_volumes(home)
        for row in read_rows(home):
            slices, point = volumes[row["seriesuid"]], place_of(row)

            if row["class"] == "nodule":
                assert -250 < hounsfield_at(slices, point) < 300
            around = [
                hounsfield_at(slices, [point[0] + x, point[1] + y, point[2]])
                for x, y in ((-9, 0), (9, 0), (0, -9), (0, 9))
            ]
            assert min(around) < -600


def test_ct_series_have_nodules_and_others_and_sites_store_them_differently(
    hospitals: Hospitals,
) -> None:
    firsts = []
    for home in hospitals["lung-ct"]:
        words: dict[str, set[str]] = {}
        for row in read_rows(home):
            words.setdefault(row["seriesuid"], set()).add(row["class"])
        volumes = read_volumes(home)
        firsts.append(next(iter(volumes.values()))[0])

        assert len(read_rows(home)) >= N_SAMPLES
        assert words == {name: {"nodule", "other"} for name in volumes}
        assert {len(slices) for slices in volumes.values()} == {24}
    assert {image.PixelRepresentation for image in firsts} == {0, 1}
    assert {image.RescaleIntercept for image in firsts} == {-1024}
    assert len({image.PixelSpacing[0] for image in firsts}) == 3
    assert len({tuple(image.ImageOrientationPatient) for image in firsts}) == 2


def test_ct_series_become_volumes_without_a_refusal(
    hospitals: Hospitals, make_plan: MakePlan, tmp_path: Path
) -> None:
    task: dict[str, object] = {"type": "binary", "classes": ["other", "nodule"]}
    rule = {"rule": "fixed", "centre": -400, "width": 1400}
    plan = plan_for(
        make_plan, task, modality=["CT"], sample="series", dimensions=3, size=32, depth=24,
        spacing_mm=3.0, slice_mm=2.5, intensity=rule,
    )  # fmt: skip
    bodies = []
    for home in hospitals["lung-ct"]:
        series = sorted(read_volumes(home))
        one_each = tmp_path / f"{home.name}.csv"
        one_each.write_text("key,word\n" + "".join(f"{name},nodule\n" for name in series))
        data = DataFiles(
            folder=str(home / "dicom"), labels=str(one_each), join="SeriesInstanceUID",
            join_column="key", label_column="word",
        )  # fmt: skip

        found = collect(tmp_path, tmp_path / home.name, data, plan)

        assert found.refused == {}
        assert len(found.samples) == len(series)
        bodies.append(found.pixels[found.rows].mean(axis=(0, 1, 2)))
    for body in bodies:  # whichever way it was stored, the spine is at the back
        assert body[20:26, 14:18].mean() > body[6:12, 14:18].mean()


@pytest.mark.parametrize("kind", NEW)
def test_site_files_load_and_name_columns_that_are_there(kind: str, hospitals: Hospitals) -> None:
    for home in hospitals[kind]:
        site = load_site_file(home)

        assert site.site == home.name
        assert {site.data.join_column, site.data.label_column} <= set(read_rows(home)[0])


def test_the_ct_site_file_names_the_columns_of_a_candidates_place(hospitals: Hospitals) -> None:
    for home in hospitals["lung-ct"]:
        data = yaml.safe_load((home / "site.yaml").read_text())["data"]

        assert data["position_columns"] == ["coordX", "coordY", "coordZ"]
        assert [data["join_column"], *data["position_columns"], data["label_column"]] == list(
            read_rows(home)[0]
        )


def test_heads_are_all_used_and_both_diagnoses_are_there(
    hospitals: Hospitals, make_plan: MakePlan, tmp_path: Path
) -> None:
    task: dict[str, object] = {"type": "binary", "classes": ["control", "dementia"]}
    plan = plan_for(
        make_plan, task, modality=["MR"], sample="series", dimensions=3, size=32, depth=20,
        intensity={"rule": "percentile", "low": 1, "high": 99},
    )  # fmt: skip
    means = []
    for home in hospitals["brain-mr"]:
        found = ingest(home, plan, tmp_path / home.name)

        assert len(found.samples) == N_SAMPLES
        assert found.refused == {}
        assert {sample.label for sample in found.samples} == {0, 1}
        means.append(found.pixels[found.rows].mean())
    assert np.ptp(means) < 15  # the sites' gains, 30 times apart, are gone
