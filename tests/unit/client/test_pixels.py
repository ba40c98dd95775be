"""Images, right to the pixel: against numbers worked out by hand, or another decoder."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.sequence import Sequence
from tests.unit.client.pixel_files import FIXED, RAMP, WHOLE, images, lut, row_of, write

from medfl_client.data.dicom.geometry import fit, resize
from medfl_client.data.dicom.pixels import load_image
from medfl_common.errors import DataError
from medfl_common.plan.images import DicomWindow, FixedWindow, PercentileWindow


def test_a_fixed_window_is_in_the_units_after_rescale(tmp_path: Path) -> None:
    row = row_of(write(tmp_path / "a.dcm", RAMP, RescaleSlope=1, RescaleIntercept=-1000), FIXED)

    assert row[5] == pytest.approx(0.0)  # -500 HU, the window's black
    assert row[10] == pytest.approx(0.5)  # 0 HU
    assert row[15] == pytest.approx(1.0)  # +500 HU


def test_a_modality_lookup_table_takes_the_place_of_rescale(tmp_path: Path) -> None:
    table = lut(0, 16, [2000 - value for value in range(1501)], ModalityLUTType="HU")
    path = write(tmp_path / "a.dcm", RAMP, ModalityLUTSequence=Sequence([table]))
    plan = images(intensity=FixedWindow(rule="fixed", centre=1500, width=1000))

    row = row_of(path, plan)

    assert row[5] == pytest.approx(0.5)  # stored 500 is looked up as 1500
    assert (row[0], row[10]) == (1.0, 0.0)


def test_monochrome1_is_turned_round_after_the_window(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.dcm", RAMP, **WHOLE)
    turned = write(tmp_path / "b.dcm", RAMP, PhotometricInterpretation="MONOCHROME1", **WHOLE)

    one, other = load_image(plain, images()), load_image(turned, images())

    assert one[0, 0, 0] == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(one, 1 - other, atol=1e-6)


def test_the_files_own_first_window_is_used_by_the_dicom_rule(tmp_path: Path) -> None:
    many = write(tmp_path / "a.dcm", RAMP, WindowCenter=[800.5, 0], WindowWidth=[401, 2])

    row = row_of(many, images(intensity=DicomWindow()))

    # PS3.3 C.11.2.1.2.1: ((x - (c - 0.5)) / (w - 1) + 0.5), x = 700 at position 7
    assert row[7] == pytest.approx((700 - 800) / 400 + 0.5)
    assert (row[5], row[11]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("LINEAR_EXACT", (700 - 800.5) / 401 + 0.5),
        ("SIGMOID", 1 / (1 + np.exp(-4 * (700 - 800.5) / 401))),
    ],
)
def test_the_files_own_window_function_is_used(
    function: str, expected: float, tmp_path: Path
) -> None:
    path = write(
        tmp_path / "a.dcm", RAMP, WindowCenter=800.5, WindowWidth=401, VOILUTFunction=function
    )

    assert row_of(path, images())[7] == pytest.approx(expected, abs=1e-3)


def test_a_voi_lookup_table_goes_before_a_window(tmp_path: Path) -> None:
    table = lut(500, 10, [1023 - value for value in range(1001)])
    path = write(tmp_path / "a.dcm", RAMP, VOILUTSequence=Sequence([table]), **WHOLE)

    row = row_of(path, images())

    assert row[4] == pytest.approx(1.0)  # below the table's first value: its first entry
    assert row[10] == pytest.approx((1023 - 500) / 1023)


def test_percentiles_are_each_pictures_own_and_those_of_numpy(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).gamma(2, 200, (16, 16)).astype(np.int16)
    path = write(tmp_path / "a.dcm", noise, RescaleSlope=-2, RescaleIntercept=7)
    plan = images(intensity=PercentileWindow(rule="percentile", low=3.0, high=90.0))

    low, high = np.percentile(noise * -2.0 + 7, [3, 90])
    expected = np.clip((noise * -2.0 + 7 - low) / (high - low), 0, 1)
    np.testing.assert_allclose(load_image(path, plan)[0], expected, atol=1e-6)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_does_not_count(photometric: str, tmp_path: Path) -> None:
    padded = RAMP.copy()
    padded[:, :4], padded[:, 4:8] = -2000, -1990
    tags = {"PixelPaddingValue": 63536, "PixelPaddingRangeLimit": -1990}  # -2000 as unsigned
    dataset = dcmread(write(tmp_path / "a.dcm", padded, PhotometricInterpretation=photometric))
    dataset.add_new("PixelPaddingValue", "US", tags["PixelPaddingValue"])
    dataset.add_new("PixelPaddingRangeLimit", "SS", tags["PixelPaddingRangeLimit"])
    dataset.save_as(tmp_path / "a.dcm")

    row = row_of(tmp_path / "a.dcm", images())

    ramp = (np.arange(8, 16) - 8) / 7
    assert row[:8].tolist() == [0.0] * 8
    assert row[8:] == pytest.approx(1 - ramp if photometric == "MONOCHROME1" else ramp)


def test_overlays_in_unused_bits_are_taken_off(tmp_path: Path) -> None:
    marked = RAMP.astype(np.uint16)
    marked[3, 3] |= 0x8000  # bit 15 of an image with 12 bits stored
    plain = write(tmp_path / "a.dcm", RAMP.astype(np.uint16), **WHOLE)
    overlaid = write(tmp_path / "b.dcm", marked, bits=16, **WHOLE)
    dataset = dcmread(overlaid)
    dataset.BitsStored, dataset.HighBit = 12, 11
    dataset.save_as(overlaid)

    assert np.array_equal(load_image(plain, images()), load_image(overlaid, images()))


def test_colour_becomes_luminance_or_stays_by_the_plan(tmp_path: Path) -> None:
    colour = np.zeros((16, 16, 3), dtype=np.uint8)
    colour[:, :8] = (255, 0, 51)
    path = write(tmp_path / "a.dcm", colour, PhotometricInterpretation="RGB")

    grey = load_image(path, images())
    kept = load_image(path, images(channels=3, colour=True))

    assert grey[0, 0, 0] == pytest.approx(0.299 + 0.2 * 0.114)
    assert kept[:, 0, 0].tolist() == pytest.approx([1.0, 0.0, 0.2])
    assert kept.shape == (3, 16, 16)


def test_a_palette_is_looked_up_and_then_grey_or_colour() -> None:
    path = Path(pydicom.__file__).parent / "data" / "test_files" / "examples_palette.dcm"
    dataset = dcmread(path)
    colours = apply_color_lut(dataset.pixel_array, dataset)
    expected = colours / np.iinfo(colours.dtype).max
    whole = images(size=800, modality=["US"])  # 350 x 800: black above and below

    grey = load_image(path, whole)[0, 225:575]
    kept = load_image(path, whole.model_copy(update={"colour": True, "channels": 3}))

    np.testing.assert_allclose(grey, expected @ [0.299, 0.587, 0.114], atol=1e-4)
    np.testing.assert_allclose(kept[:, 225:575], np.moveaxis(expected, -1, 0), atol=1e-6)


def test_a_frame_has_its_own_rescale_and_window(tmp_path: Path) -> None:
    """Enhanced CT and MR: rescale in the shared groups, the window in each frame's."""
    shared, own = Dataset(), [Dataset(), Dataset()]
    transformation, spacing = Dataset(), Dataset()
    transformation.RescaleSlope, transformation.RescaleIntercept = 1, -1000
    spacing.PixelSpacing = [2, 2]
    shared.PixelValueTransformationSequence = Sequence([transformation])
    shared.PixelMeasuresSequence = Sequence([spacing])
    for groups, centre in zip(own, (-499.5, 0.5), strict=True):
        window = Dataset()
        window.WindowCenter, window.WindowWidth = centre, 1001
        groups.FrameVOILUTSequence = Sequence([window])
    path = write(
        tmp_path / "a.dcm",
        np.stack([RAMP, RAMP]),
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence(own),
    )

    first, second = (load_image(path, images(), frame)[0, 0] for frame in (0, 1))

    assert first[5] == pytest.approx(0.5)  # stored 500 is -500 HU
    assert second[10] == pytest.approx(0.5)  # 0 HU
    resampled = load_image(path, images(spacing_mm=4.0), 0)[0]
    assert (resampled > 0).any(axis=0).sum() == 8  # 16 pixels of 2 mm are 8 of 4 mm


def test_a_plans_spacing_needs_the_files(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", RAMP)

    with pytest.raises(DataError, match=r"PixelSpacing \(0028,0030\) is missing.*to millimetres"):
        load_image(path, images(spacing_mm=4.0))


def test_a_picture_keeps_its_shape_and_is_padded_with_black() -> None:
    small = fit(np.ones((40, 20), dtype=np.float32), 20)

    assert small.shape == (20, 20)
    assert small[:, 5:15].min() == pytest.approx(1.0)
    assert small[:, :5].max() == small[:, 15:].max() == 0.0


@pytest.mark.parametrize("shape", [(20, 31), (97, 120), (300, 90)])
def test_resampling_is_pillows_bilinear(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).random((97, 120), dtype=np.float32)

    oracle = Image.fromarray(image).resize(shape[::-1], Image.Resampling.BILINEAR)

    np.testing.assert_allclose(resize(image, shape), np.asarray(oracle), atol=1e-6)


def test_values_that_fill_their_range_are_looked_up_right(tmp_path: Path) -> None:
    mixed = np.random.default_rng(0).permutation(256).astype(np.int16).reshape(16, 16) * 2
    mixed[0, 0], mixed[0, 1] = 0, 255  # 256 pixels, and the values 0..511 are possible
    path = write(tmp_path / "a.dcm", np.clip(mixed, 0, 255))
    plan = images(intensity=PercentileWindow(rule="percentile", low=0, high=100))

    assert load_image(path, plan)[0] == pytest.approx(np.clip(mixed, 0, 255) / 255, abs=1e-6)
