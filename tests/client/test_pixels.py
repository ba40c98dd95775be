from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from medfl_client.dicom.pixels import fit, read_picture
from medfl_common.errors import DataError
from medfl_common.plan import DicomWindow, FixedWindow, Images, PercentileWindow

RAMP = np.tile(np.arange(16, dtype=np.int16) * 100, (16, 1))  # 0..1500 from left to right


def write(path: Path, pixels: np.ndarray, **tags: object) -> Path:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
    dataset.PatientID, dataset.StudyInstanceUID, dataset.Modality = "1", generate_uid(), "CT"
    photometric = str(tags.pop("PhotometricInterpretation", "MONOCHROME2"))
    dataset.set_pixel_data(pixels, photometric, 12 if pixels.itemsize == 2 else 8)
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def images(**changes: object) -> Images:
    return Images.model_validate({"modality": ["CT"], "size": 16, **changes})


def test_a_fixed_window_is_in_the_units_after_rescale(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", RAMP, RescaleSlope=1, RescaleIntercept=-1000)
    plan = images(intensity=FixedWindow(rule="fixed", centre=0, width=1000))

    row = read_picture(path, plan)[0]

    assert row[5] == pytest.approx(0.0)  # -500 HU, the window's black
    assert row[10] == pytest.approx(0.5)  # 0 HU
    assert row[15] == pytest.approx(1.0)  # +500 HU


def test_monochrome1_is_turned_round_after_the_window(tmp_path: Path) -> None:
    window = {"WindowCenter": 750.5, "WindowWidth": 1501}
    plain = write(tmp_path / "a.dcm", RAMP, **window)
    turned = write(tmp_path / "b.dcm", RAMP, PhotometricInterpretation="MONOCHROME1", **window)

    one, other = read_picture(plain, images()), read_picture(turned, images())

    assert one[0, 0] == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(one, 1 - other, atol=1e-6)


def test_the_files_own_first_window_is_used_by_the_dicom_rule(tmp_path: Path) -> None:
    many = write(tmp_path / "a.dcm", RAMP, WindowCenter=[800.5, 0], WindowWidth=[401, 2])

    row = read_picture(many, images(intensity=DicomWindow()))[0]

    # PS3.3 C.11.2.1.2.1: ((x - (c - 0.5)) / (w - 1) + 0.5), x = 700 at position 7
    assert row[7] == pytest.approx((700 - 800) / 400 + 0.5)
    assert (row[5], row[11]) == (0.0, 1.0)


def test_percentiles_are_each_pictures_own(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", RAMP)
    plan = images(intensity=PercentileWindow(rule="percentile", low=0.0, high=100.0))

    assert read_picture(path, plan)[0].tolist() == pytest.approx([i / 15 for i in range(16)])


def test_a_picture_keeps_its_shape_and_is_padded_with_black() -> None:
    small = fit(np.ones((40, 20), dtype=np.float32), 20)

    assert small.shape == (20, 20)
    assert small[:, 5:15].min() == pytest.approx(1.0)
    assert small[:, :5].max() == small[:, 15:].max() == 0.0


@pytest.mark.parametrize(
    ("pixels", "tags", "message"),
    [
        (np.zeros((16, 16), dtype=np.int16), {}, "constant"),
        (np.zeros((8, 8, 3), dtype=np.uint8), {"PhotometricInterpretation": "RGB"}, "'RGB'"),
        (np.zeros((3, 8, 8), dtype=np.int16), {"NumberOfFrames": 3}, "NumberOfFrames is 3"),
    ],
)
def test_what_is_no_grey_picture_is_refused_with_tag_and_value(
    pixels: np.ndarray, tags: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        read_picture(write(tmp_path / "a.dcm", pixels, **tags), images())
