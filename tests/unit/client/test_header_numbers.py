"""Numbers of a header: read as people mean them, or refused by tag and value."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from tests.unit.client.pixel_files import FIXED, RAMP, WHOLE, images, lut, put, row_of, write

from medfl_client.data.dicom.pixels import load_image
from medfl_common.errors import DataError

WINDOW = {"WindowCenter": 750.5, "WindowWidth": 1001}  # 250 is black, 1250 white


@pytest.mark.parametrize(
    ("keyword", "vr", "value", "reason"),
    [
        ("WindowCenter", "DS", b"NaN ", r"WindowCenter \(0028,1050\) is NaN"),
        ("WindowWidth", "DS", b"inf ", r"WindowWidth \(0028,1051\) is inf"),
        ("WindowWidth", "DS", b"0 ", r"WindowWidth \(0028,1051\) is 0; DICOM allows 1 or more"),
        ("WindowWidth", "DS", b"-400", r"WindowWidth \(0028,1051\) is -400; DICOM allows 1 or"),
        ("WindowWidth", "DS", b"1.000,5 ", r"WindowWidth \(0028,1051\) is 1.000,5"),
        ("VOILUTFunction", "CS", b"LOGARITHM ", r"VOILUTFunction \(0028,1056\) is 'LOGARITHM'"),
        ("RescaleSlope", "DS", b"0 ", r"RescaleSlope \(0028,1053\) is 0"),
        ("RescaleSlope", "DS", b"nan ", r"RescaleSlope \(0028,1053\) is nan"),
        ("RescaleSlope", "DS", b"1\\2 ", r"RescaleSlope \(0028,1053\) is 1\\2; one value"),
        ("RescaleIntercept", "DS", b"none", r"RescaleIntercept \(0028,1052\) is none"),
        ("PixelPaddingValue", "US", b"\1\0\2\0", r"PixelPaddingValue \(0028,0120\) is 1\\2"),
        ("NumberOfFrames", "IS", b"two ", r"NumberOfFrames \(0028,0008\) is two"),
        ("BitsStored", "US", b"\0\0", r"BitsStored \(0028,0101\) is 0; DICOM allows 1 to 64"),
        ("HighBit", "US", b"\x0f\0", r"HighBit \(0028,0102\) is 15 with BitsStored.* 16 of 16"),
        ("SamplesPerPixel", "US", b"", r"SamplesPerPixel \(0028,0002\) is missing"),
        ("VOILUTSequence", "SQ", b"abcd", r"VOILUTSequence \(0028,3010\) is damaged"),
        ("ModalityLUTSequence", "US", b"\1\0", r"ModalityLUTSequence \(0028,3000\) is damaged"),
        ("ExtendedOffsetTable", "SQ", b"abcd", "the pixels are damaged"),
        ("PixelData", "OW", b"", r"PixelData \(7FE0,0010\) is empty"),
        ("PixelData", "OW", b"\0" * 8, r"PixelData \(7FE0,0010\) holds 8 bytes.* 512"),
    ],
)
def test_what_is_no_number_or_out_of_range_is_refused_by_tag_and_value(
    keyword: str, vr: str, value: bytes, reason: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.dcm", RAMP, RescaleIntercept=0, RescaleSlope=1, **WINDOW)
    if keyword == "HighBit":
        put(path, BitsStored=("US", b"\x10\0"))
        value = b"\x07\0"
        reason = reason.replace("15", "7")

    with pytest.raises(DataError, match=reason):
        load_image(put(path, **{keyword: (vr, value)}), images())


@pytest.mark.parametrize(
    "changes",
    [
        {"WindowCenter": ("DS", b"750,5 ")},
        {"WindowWidth": ("DS", b"1001\\  ")},
        {"RescaleSlope": ("DS", b"1,0 "), "RescaleIntercept": ("DS", b"0,00")},
        {"RescaleSlope": ("DS", b""), "RescaleIntercept": ("DS", b"")},
        {"RescaleSlope": ("DS", b"1\\1 ")},
        {"VOILUTFunction": ("CS", b"")},
        {"VOILUTFunction": ("CS", b"LINEAR\\LINEAR ")},
        {"VOILUTFunction": ("CS", b"linear")},
        {"PixelPaddingValue": ("US", b"\xff\x0f\xff\x0f")},
        {"PixelPaddingValue": ("US", b"")},
        {"PixelSpacing": ("DS", b"NaN\\1 ")},
        {"Rows": ("US", b"\x10\0\x10\0"), "Columns": ("US", b"\x10\0\x10\0")},
        {"NumberOfFrames": ("IS", b"0 "), "PlanarConfiguration": ("US", b"")},
        {"PhotometricInterpretation": ("CS", b"monochrome2 ")},
    ],
)
def test_what_is_meant_is_read(changes: dict[str, tuple[str, bytes]], tmp_path: Path) -> None:
    plain = write(tmp_path / "a.dcm", RAMP, **WINDOW)
    odd = put(write(tmp_path / "b.dcm", RAMP, **WINDOW), **changes)

    assert np.array_equal(load_image(plain, images()), load_image(odd, images()))


def test_an_intercept_without_a_slope_counts(tmp_path: Path) -> None:
    assert row_of(write(tmp_path / "a.dcm", RAMP, RescaleIntercept=-1000), FIXED)[10] == 0.5


@pytest.mark.parametrize(("keyword", "n_first"), [("ModalityLUT", 0), ("VOILUT", 0), ("VOILUT", 2)])
def test_a_table_of_bytes_in_words_is_read(keyword: str, n_first: int, tmp_path: Path) -> None:
    """255 - x, two entries a word, the first in the low byte (PS3.3 C.11.1.1.1)."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [256 - n_first, n_first, 8])
    item.add_new("LUTData", "OW", bytes(range(255 - n_first, -1, -1)))
    grey = (np.arange(256, dtype=np.uint8)).reshape(16, 16)
    path = write(tmp_path / "a.dcm", grey, **{f"{keyword}Sequence": Sequence([item])})

    expected = (255 - np.maximum(grey, n_first)) / 255
    np.testing.assert_allclose(load_image(path, images())[0], expected, atol=1e-6)


def test_a_table_begins_at_a_negative_number_however_it_is_written(tmp_path: Path) -> None:
    rows = []
    for vr, first in (("SS", -1000), ("US", 64536)):
        item = Dataset()
        item.add_new("LUTDescriptor", vr, [1501, first, 16])
        item.add_new("LUTData", "US", [value * 40 for value in range(1501)])
        tags = {"RescaleSlope": 1, "RescaleIntercept": -1000, "VOILUTSequence": Sequence([item])}
        rows.append(row_of(write(tmp_path / f"{vr}.dcm", RAMP, **tags), images()))

    assert rows[0][5] == pytest.approx(500 * 40 / 65535, abs=1e-6)  # 500 is -500 HU
    assert np.array_equal(rows[0], rows[1])


def test_a_table_with_too_few_entries_is_refused(tmp_path: Path) -> None:
    item = lut(0, 12, list(range(1000)))
    item.LUTDescriptor = [2000, 0, 12]  # half: not to be taken for bytes
    path = write(tmp_path / "a.dcm", RAMP, VOILUTSequence=Sequence([item]))

    with pytest.raises(DataError, match=r"LUTData \(0028,3006\) holds 1000 entries.* says 2000"):
        load_image(path, images())


def test_a_palette_in_segments_is_expanded(tmp_path: Path) -> None:
    """Discrete 0, 100; linear to 250 in 3; the linear segment once more, from byte 8."""
    codes = [0, 2, 0, 100, 1, 3, 250, 2, 1, 8, 0]
    tags: dict[str, object] = {}
    for colour in ("Red", "Green", "Blue"):
        tags[f"{colour}PaletteColorLookupTableDescriptor"] = [8, 0, 16]
        data = np.array(codes, dtype="<u2").tobytes()
        tags[f"Segmented{colour}PaletteColorLookupTableData"] = data
    grey = np.tile(np.arange(8, dtype=np.uint8), (16, 2))
    path = write(tmp_path / "a.dcm", grey, PhotometricInterpretation="PALETTE COLOR", **tags)

    row = row_of(path, images()) * 65535

    assert row[:8] == pytest.approx([0, 100, 150, 200, 250, 250, 250, 250], abs=1e-2)


@pytest.mark.parametrize(
    ("photometric", "shape", "is_inverted"),
    [
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME1", "IDENTITY", False),
        ("MONOCHROME1", "", True),
    ],
)
def test_the_presentation_shape_decides_what_is_white(
    photometric: str, shape: str, is_inverted: bool, tmp_path: Path
) -> None:
    tags = {"PhotometricInterpretation": photometric, "PresentationLUTShape": shape}

    row = row_of(write(tmp_path / "a.dcm", RAMP, **tags, **WHOLE), images())

    assert row[0] == pytest.approx(1.0 if is_inverted else 0.0, abs=1e-6)


@pytest.mark.parametrize(
    "syntax", ["1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.5"]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_bits_above_those_stored_are_taken_off_of_compressed_pixels(
    syntax: str, sign: int, tmp_path: Path
) -> None:
    ramp = np.kron(RAMP, np.ones((4, 4), RAMP.dtype))  # JPEG 2000 takes no smaller ones
    clean = ramp.astype(np.uint16 if sign == 1 else np.int16) * sign
    marked = (clean.view(np.uint16) & 0x0FFF).astype(np.uint16)
    marked[3, 3] |= 0xF000
    plain = write(tmp_path / "a.dcm", clean, **{**WHOLE, "WindowCenter": 750.5 * sign})
    path = write(tmp_path / "b.dcm", marked, bits=16, **{**WHOLE, "WindowCenter": 750.5 * sign})
    dataset = dcmread(path)
    dataset.compress(syntax, generate_instance_uid=False)
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, int(sign < 0)
    dataset.save_as(path)

    assert np.array_equal(load_image(plain, images()), load_image(path, images()))


def test_bits_that_are_stored_high_are_moved_down(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.dcm", RAMP.astype(np.uint16), **WHOLE)
    high = write(tmp_path / "b.dcm", RAMP.astype(np.uint16) * 16 + 5, bits=16, **WHOLE)
    put(high, BitsStored=("US", b"\x0c\0"), HighBit=("US", b"\x0f\0"))

    assert np.array_equal(load_image(plain, images()), load_image(high, images()))


def test_twelve_bits_in_a_byte_and_a_half_are_unpacked(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.dcm", RAMP.astype(np.uint16), **WHOLE)
    packed = write(tmp_path / "b.dcm", RAMP.astype(np.uint16), **WHOLE)
    bits = np.unpackbits(RAMP.astype("<u2").view(np.uint8), bitorder="little").reshape(256, 16)
    data = np.packbits(bits[:, :12].ravel(), bitorder="little").tobytes()
    put(packed, BitsAllocated=("US", b"\x0c\0"), PixelData=("OW", data))

    assert np.array_equal(load_image(plain, images()), load_image(packed, images()))


@pytest.mark.parametrize("keyword", ["FloatPixelData", "DoubleFloatPixelData"])
def test_floats_are_windowed_without_stored_bits(keyword: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", RAMP)
    dataset = dcmread(path)
    values = np.linspace(0, 1, 256).reshape(16, 16)
    del dataset.PixelData, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation
    dataset.BitsAllocated = 32 if keyword[0] == "F" else 64
    setattr(dataset, keyword, values.astype("<f4" if keyword[0] == "F" else "<f8").tobytes())
    dataset.WindowCenter, dataset.WindowWidth = 0.5, 0.5
    dataset.VOILUTFunction = "LINEAR_EXACT"
    dataset.save_as(path)

    expected = np.clip((values - 0.5) / 0.5 + 0.5, 0, 1)
    np.testing.assert_allclose(load_image(path, images())[0], expected, atol=1e-6)

    values[3:5, 3:5] = np.nan
    setattr(dataset, keyword, values.astype("<f4" if keyword[0] == "F" else "<f8").tobytes())
    dataset.save_as(path)
    with pytest.raises(DataError, match="pixels are not finite"):
        load_image(path, images())
    setattr(dataset, keyword.replace("Data", "PaddingValue"), float("nan"))
    dataset.save_as(path)
    expected[3:5, 3:5] = 0
    np.testing.assert_allclose(load_image(path, images())[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    "tags",
    [
        {"PixelSpacing": [0.5, 1.0]},
        {"ImagerPixelSpacing": [0.5, 1.0]},
        {"NominalScannedPixelSpacing": [0.5, 1.0]},
        {"PixelAspectRatio": [1, 2]},
        {"PixelSpacing": [0.5, 0.5], "PixelAspectRatio": [1, 2]},
    ],
)
def test_a_pixel_that_is_not_square_is_shown_so(tags: dict[str, object], tmp_path: Path) -> None:
    tall = np.tile(np.arange(8, dtype=np.int16) * 100, (16, 1))  # 16 rows of 8 pixels
    path = write(tmp_path / "a.dcm", tall, **tags)

    columns = load_image(path, images())[0].any(axis=0).sum()

    is_square = tags.get("PixelSpacing") == [0.5, 0.5]
    assert columns == (7 if is_square else 15)  # the first column is black
