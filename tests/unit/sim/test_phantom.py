from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, uid
from pydicom.pixels.processing import apply_modality_lut, apply_windowing
from tests.unit.sim.phantom_files import read_bytes, read_images, read_rows

from medfl_common.errors import ConfigError
from medfl_sim.data.radiograph import LOOKS, write_hospitals


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_hospitals(tmp_path_factory.mktemp("hospitals"), len(LOOKS), n_images=8, seed=3)


def displayed(image: Dataset) -> NDArray[np.float64]:
    """(H, W), larger is brighter on a reader's screen."""
    shown = apply_windowing(apply_modality_lut(image.pixel_array, image), image, index=0)
    return -shown if image.PhotometricInterpretation == "MONOCHROME1" else shown


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    write_hospitals(tmp_path / "a", n_sites=3, n_images=3, seed=5)
    write_hospitals(tmp_path / "b", n_sites=3, n_images=3, seed=5)

    assert read_bytes(tmp_path / "a") == read_bytes(tmp_path / "b")


def test_an_image_does_not_depend_on_how_many_follow(tmp_path: Path) -> None:
    write_hospitals(tmp_path / "few", n_sites=1, n_images=3, seed=5)
    write_hospitals(tmp_path / "more", n_sites=1, n_images=9, seed=5)

    few, more = (read_bytes(tmp_path / name / "site-1" / "dicom") for name in ("few", "more"))
    assert few.items() <= more.items()


def test_another_seed_shares_no_uid(homes: list[Path], tmp_path: Path) -> None:
    (other,) = write_hospitals(tmp_path, n_sites=1, n_images=8, seed=4)

    uids = [{row["sop_instance_uid"] for row in read_rows(home)} for home in (homes[0], other)]
    assert uids[0].isdisjoint(uids[1])


def test_the_first_three_hospitals_differ_in_bits_syntax_and_polarity(homes: list[Path]) -> None:
    images = [read_images(home)[0] for home in homes[:3]]

    polarity = [image.PhotometricInterpretation for image in images]
    syntax = [image.file_meta.TransferSyntaxUID for image in images]
    assert sorted(polarity) == ["MONOCHROME1", "MONOCHROME2", "MONOCHROME2"]
    assert syntax == [uid.ImplicitVRLittleEndian, uid.RLELossless, uid.JPEG2000Lossless]
    assert len({image.BitsStored for image in images}) == 3


def test_some_hospital_is_signed_some_rescaled_some_has_two_windows(homes: list[Path]) -> None:
    images = [read_images(home)[0] for home in homes]

    assert any(image.PixelRepresentation == 1 for image in images)
    assert any(image.RescaleSlope != 1 for image in images)
    assert any(image["WindowCenter"].VM > 1 for image in images)
    assert {image.BitsAllocated for image in images} == {8, 16}


@pytest.mark.parametrize("site", range(len(LOOKS)))
def test_lungs_are_darker_than_the_mediastinum_at_every_hospital(
    homes: list[Path], site: int
) -> None:
    mean = np.mean([displayed(image) for image in read_images(homes[site])], axis=0)
    height, width = mean.shape
    unit = min(height, width) // 8
    middle = mean[height // 2 - unit : height // 2 + unit]

    centre, right_lung = width // 2, width // 2 - int(3.6 * unit / 2)
    mediastinum = middle[:, centre - unit // 3 : centre + unit // 3].mean()
    lung = middle[:, right_lung - unit // 3 : right_lung + unit // 3].mean()
    assert lung < mediastinum - 0.15 * np.ptp(mean)
    assert mean[-3:, centre].mean() > mean[-3:, :2].mean()


def test_no_patient_is_at_two_hospitals(homes: list[Path]) -> None:
    patients = [{image.PatientID for image in read_images(home)} for home in homes]

    assert len(set.union(*patients)) == sum(len(group) for group in patients)


def test_every_label_has_a_file_and_every_file_its_label(homes: list[Path]) -> None:
    for home in homes:
        images = {(image.SOPInstanceUID, image.PatientID) for image in read_images(home)}
        labels = [(row["sop_instance_uid"], row["patient_id"]) for row in read_rows(home)]

        assert len(labels) == 8
        assert set(labels) == images


def test_two_images_are_enough_for_both_findings(tmp_path: Path) -> None:
    for home in write_hospitals(tmp_path, n_sites=4, n_images=2, seed=0):
        assert {row["finding"] for row in read_rows(home)} == {"normal", "opacity"}


def test_every_file_says_that_it_is_synthetic(homes: list[Path]) -> None:
    for image in (image for home in homes for image in read_images(home)):
        assert image.PatientName == "SYNTHETIC^PHANTOM"
        assert image.SeriesDescription == "SYNTHETIC PHANTOM, NOT A PATIENT"
        assert image.BurnedInAnnotation == "YES"


def test_a_hospital_that_is_there_already_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "site-2").mkdir()
    (tmp_path / "site-2" / "mine.txt").write_text("mine")

    with pytest.raises(ConfigError, match="site-2 exists and is not empty"):
        write_hospitals(tmp_path, n_sites=2, n_images=2, seed=0)

    assert list(tmp_path.rglob("*.*")) == [tmp_path / "site-2" / "mine.txt"]


@pytest.mark.parametrize(("n_sites", "n_images", "seed"), [(0, 2, 0), (1, 1, 0), (1, 2, -1)])
def test_too_few_sites_or_images_or_a_negative_seed_are_refused(
    tmp_path: Path, n_sites: int, n_images: int, seed: int
) -> None:
    with pytest.raises(ConfigError, match=f"n_sites {n_sites}, n_images {n_images}, seed {seed}"):
        write_hospitals(tmp_path, n_sites, n_images, seed)
