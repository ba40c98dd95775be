"""medfl-client data: folders of several kinds, or of none."""

import shutil
from pathlib import Path

import pytest
from pydicom import dcmread
from tests.conftest import MakePlan
from tests.unit.client.test_series import AXIAL, write_slice
from tests.unit.client.wizard import describe, labels_of, take_all

from medfl_client.config.site_file import load_site_file
from medfl_common.errors import DataError


@pytest.fixture
def site(hospitals: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hospital of 40 images without site.yaml."""
    (hospitals / "site-1" / "site.yaml").unlink()
    monkeypatch.chdir(hospitals)
    return hospitals / "site-1"


def test_images_without_a_patient_are_asked_about(site: Path) -> None:
    for path in (site / "dicom").rglob("*.dcm"):
        image = dcmread(path)
        image.PatientID = ""
        image.save_as(path)

    done, asked = describe(site)

    assert done
    assert asked["Let the study stand for the patient (yes, no)"] == "yes"
    data = load_site_file(site).data
    assert data.patient_from_study
    assert data.patient_column == ""  # the label file knows fewer patients than there are studies


def test_folders_are_labels_where_there_is_no_csv(
    site: Path, make_plan: MakePlan, capsys: pytest.CaptureFixture[str]
) -> None:
    by_uid = {row["patient_id"]: row["finding"] for row in labels_of(site)}
    for folder in [*(site / "dicom").iterdir()]:
        place = site / "dicom" / by_uid[folder.name].title() / folder.name
        place.parent.mkdir(exist_ok=True)
        shutil.move(folder, place)
    (site / "labels.csv").unlink()

    assert take_all(site, make_plan())

    data = load_site_file(site).data
    assert data.labels_from == "folder"
    assert data.values == {"Normal": "normal", "Opacity": "opacity"}
    assert "there is no CSV; the images lie in folders: " in capsys.readouterr().out


def test_two_modalities_and_planes_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    site = tmp_path / "Sankt Anna"
    for i in range(4):
        modality = "MR" if i else "CT"
        write_slice(site / f"dicom/{i}.dcm", float(i), AXIAL, noise=i + 1, Modality=modality,
                    SOPInstanceUID=f"1.2.{i}")  # fmt: skip
    (site / "labels.csv").write_text("file,grade\n0.dcm,a\n1.dcm,b\n2.dcm,b\n3.dcm,a\n")

    assert take_all(site)

    said = capsys.readouterr().out
    assert [line.split()[1:4:2] for line in said.splitlines() if " axial " in line] == [
        ["CT", "1"], ["MR", "3"],
    ]  # fmt: skip
    found = load_site_file(site)
    assert (found.site, found.data.join, found.data.label_column) == ("sankt-anna", "path", "grade")


@pytest.mark.parametrize("name", ["a.png", None])
def test_a_folder_without_dicom_is_refused_with_what_is_in_it(
    name: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dicom").mkdir()
    if name:
        (tmp_path / "dicom" / name).write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))

    with pytest.raises(DataError, match="holds no DICOM image that can be used"):
        take_all(tmp_path)

    assert ("left out: " in capsys.readouterr().out) is (name is not None)
    assert not (tmp_path / "site.yaml").exists()
