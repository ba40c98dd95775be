"""Files that lie or are damaged are refused; every transfer syntax gives the same pixels."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit
from tests.conftest import SHARED
from tests.unit.client.pixel_files import RAMP, images, write

from medfl_client.data.dicom.frames import decode, frame_facts, n_frames
from medfl_client.data.dicom.pixels import load_image, open_image
from medfl_common.errors import DataError
from medfl_common.plan.images import PercentileWindow

# One CT picture. JPEG baseline keeps 8 of its 12 bits; near-lossless and JPEG 2000 lossy a little.
LOSSY = {"1.2.4.91": 10, "1.2.4.81": 3}
REFUSED = ("1.2.4.51", "1.2.4.53", "1.2.4.55")  # 12-bit JPEG extended, and two retired ones


def jpeg_that_lies(path: Path) -> None:
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = encapsulate([b"\xff\xd8 no jpeg \xff\xd9"])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.save_as(path)


def claim(**tags: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        dataset = dcmread(path)
        for name, value in tags.items():
            setattr(dataset, name, value)
        dataset.save_as(path)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (claim(PhotometricInterpretation="HSV"), "'HSV'; not supported"),
        (claim(Rows=65535, Columns=65535), "Rows x Columns is 4294836225, above the limit"),
        (claim(Rows=0), "is 0 x 16"),
        (claim(NumberOfFrames=2**31 - 1), "NumberOfFrames .* is 2147483647"),
        (claim(Rows=4000, Columns=4000), "32000000 bytes of pixels are claimed by a file of"),
        (claim(Rows=17), r"PixelData \(7FE0,0010\) holds 512 bytes where the header says 544"),
        (jpeg_that_lies, r"JPEG Baseline.*1\.2\.840\.10008\.1\.2\.4\.50.*export the file"),
        (claim(PixelData=b"\0" * 512), "constant"),
    ],
)
def test_what_is_no_picture_is_refused_with_tag_and_value(
    change: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.dcm", RAMP)
    change(path)

    with pytest.raises(DataError, match=message):
        load_image(path, images())


def test_whatever_pydicom_decodes_is_decoded_to_the_same_values() -> None:
    """pydicom's own test files: every syntax and photometric interpretation that it has."""
    n_same = 0
    for path in sorted((Path(pydicom.__file__).parent / "data").rglob("*")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                expected = dcmread(path).pixel_array
            except Exception:
                continue
            dataset = open_image(path)
            stored = np.stack([decode(dataset, i)[0] for i in range(n_frames(dataset))])
        assert np.array_equal(stored.reshape(expected.shape), expected), path.name
        n_same += 1
    assert n_same > 90


def test_one_picture_in_many_transfer_syntaxes_is_one_array() -> None:
    folder = SHARED / "dicom_conformance" / "testImages"
    if not folder.exists():
        pytest.skip("no conformance files on this machine (../shared/data/dicom_conformance)")
    reference = dcmread(folder / "CTImage.dcm").pixel_array
    n_equal = 0
    for path in sorted(folder.glob("CTImage.dcm_*")):
        syntax = str(dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID)
        if syntax.endswith(REFUSED):
            with pytest.raises(DataError, match=rf"{syntax}\)"):
                load_image(path, images())
            continue
        stored, _ = decode(open_image(path), 0)
        if syntax.endswith("1.2.4.50"):  # 8 bits of it, by its own rescale
            grey = load_image(path, images(size=512, intensity=PercentileWindow(rule="percentile")))
            assert np.corrcoef(grey.ravel(), reference.ravel())[0, 1] > 0.9
            continue
        worst = np.abs(stored.astype(int) - reference).max()
        assert worst <= next((e for end, e in LOSSY.items() if syntax.endswith(end)), 0), path.name
        n_equal += worst == 0
    assert n_equal == 9


def test_functional_groups_of_a_plain_file_are_the_file_itself(tmp_path: Path) -> None:
    dataset = dcmread(write(tmp_path / "a.dcm", RAMP))

    assert frame_facts(dataset, 0) is dataset
