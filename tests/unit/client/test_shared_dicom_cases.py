"""Files that people met in hospitals, with the right values of ../shared/cases/dicom/CASES.md."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import SHARED

from medfl_client.config.site_file import DataFiles
from medfl_client.data.dicom.header import Row, Rules, read_row
from medfl_client.data.dicom.series import read_volume
from medfl_client.data.reader import DicomReader
from medfl_client.data.selection import sources_of
from medfl_common.errors import DataError
from medfl_common.plan.images import Images
from medfl_common.plan.plan import Plan

CASES = SHARED.parent / "cases" / "dicom" / "cases.tar.xz"
SIDE = 64
RAMP = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)  # what most of the cases hold
EIGHT_BITS = np.rint(RAMP * 255 / 4095)
CURVE = np.floor(np.sqrt(RAMP / 4095) * 4095)  # 12 bits

Array = np.ndarray


def windowed(centre: float, width: float) -> Array:
    return np.clip((RAMP - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)


# case -> what the picture is
PICTURES: dict[str, Callable[[], Array]] = {
    "win_comma": lambda: windowed(2000.5, 1000),
    "rescale_comma": lambda: windowed(2000, 1000),
    "voifunc_empty": lambda: windowed(2000, 1000),
    "voifunc_multi": lambda: windowed(2000, 1000),
    "mono2_inverse": lambda: 1 - windowed(2000, 1000),
    "voilut_8bit_ow": lambda: (255 - EIGHT_BITS) / 255,
    "modlut_8bit_ow": lambda: (255 - EIGHT_BITS) / 255,
    "voilut_bits16_data12": lambda: CURVE / 65535,
    "overlay_bits_j2k": lambda: RAMP / 4095,
    "overlay_bits_jls": lambda: RAMP / 4095,
    "float_window": lambda: RAMP / 4095,
    "packed12": lambda: RAMP / 4095,
}

# case -> part of the reason
REASONS = {
    "win_nan": r"\(0028,1050\) is NaN.*\(0028,1051\) is NaN",
    "win_width0": r"WindowWidth \(0028,1051\) is 0",
    "win_width_neg": r"WindowWidth \(0028,1051\) is -1000",
    "pixeldata_empty": r"PixelData \(7FE0,0010\) is empty",
    "enh_three_planes": r"\(0020,0037\) says 3 planes",
    "enh_two_stacks_shifted": r"shifted in their plane by up to 200.0 mm",
    "mosaic": "has MOSAIC: no mosaic in the plan",
    "ct_localizer": "has LOCALIZER: no localizer in the plan",
}

NOTES = {"mono2_inverse": "shape:INVERSE", "voilut_bits16_data12": "table:6"}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not CASES.exists():
        pytest.skip("no cases on this machine (../shared/cases/dicom)")
    folder = tmp_path_factory.mktemp("cases")
    with tarfile.open(CASES) as archive:
        named = [m for m in archive if m.name.split("/")[0] not in ("names", "links")]
        archive.extractall(folder, named, filter="data")
    return folder


def rows_of(folder: Path) -> list[Row]:
    return [read_row(path, path.name, Rules(b"k")) for path in sorted(folder.iterdir())]


def read(folder: Path, plan: Plan, **changes: object) -> Array:
    rows = rows_of(folder)
    values = {"modality": [rows[0].modality], "size": SIDE, **changes}
    images = Images.model_validate(values)
    changed = plan.model_copy(update={"images": images})
    data = DataFiles(folder=".", labels_from="folder")
    sources, refused = sources_of(rows, data, changed, folder)
    if not sources:
        raise DataError("; ".join(set(refused.values())))
    return DicomReader().image(folder, sources[0], images)[0]


@pytest.mark.parametrize("name", PICTURES)
def test_the_picture_is_right(name: str, cases: Path, plan: Plan) -> None:
    np.testing.assert_allclose(read(cases / name, plan), PICTURES[name](), atol=1e-5)
    assert rows_of(cases / name)[0].notes.startswith(NOTES.get(name, ""))


@pytest.mark.parametrize("name", REASONS)
def test_the_reason_names_tag_and_value(name: str, cases: Path, plan: Plan) -> None:
    is_volume = name.startswith("enh_")
    changes = {"sample": "series", "dimensions": 3, "depth": 8} if is_volume else {}

    with pytest.raises(DataError, match=REASONS[name]):
        read(cases / name, plan, **changes)


def test_a_padding_value_that_is_there_twice_is_one(cases: Path, plan: Plan) -> None:
    assert np.ptp(read(cases / "padding_two_values", plan)) == 1.0


def test_a_circle_stays_a_circle(cases: Path, plan: Plan) -> None:
    disc = read(cases / "anisotropic_spacing", plan) > 0.5

    assert abs(int(disc.any(axis=0).sum()) - int(disc.any(axis=1).sum())) <= 2


def test_facts_that_stand_elsewhere_are_found(cases: Path, plan: Plan) -> None:
    (mammogram,) = rows_of(cases / "mg_view_code_only")
    (angiogram,) = rows_of(cases / "enh_xa_frame_pixel_props")

    assert mammogram.view == "CC"
    assert angiogram.spacing_mm == 0.5
    shown = read(cases / "enh_xa_frame_pixel_props", plan, spacing_mm=0.5)
    assert (shown > 0).any(axis=1).sum() >= 31


def volume(folder: Path, **changes: object) -> Array:
    values = {"modality": ["CT"], "sample": "series", "dimensions": 3, "size": SIDE, **changes}
    images = Images.model_validate({"intensity": {"rule": "percentile", "high": 100}, **values})
    return read_volume(sorted(folder.iterdir()), images)[0]


def test_volumes_keep_their_shape(cases: Path) -> None:
    padded = volume(cases / "vol_all_padding_slice", depth=12, spacing_mm=1.0)
    long = volume(cases / "vol_iop_long", depth=64, spacing_mm=1.0, slice_mm=2.0)

    assert (padded.max(axis=(1, 2)) > 0).sum() >= 11
    n_slices = len(list((cases / "vol_iop_long").iterdir()))
    assert (long.max(axis=(1, 2)) > 0).sum() == n_slices  # 2.0 mm apart: one each


def test_a_rod_in_a_tilted_series_moves_as_the_tilt_says(cases: Path) -> None:
    step = 2.5 * np.cos(np.radians(20))
    found = volume(cases / "vol_tilt", depth=24, size=96, spacing_mm=1.0, slice_mm=step)

    place = (found.sum(axis=2) * np.arange(96)).sum(axis=1) / found.sum(axis=(1, 2))
    assert place[0] - place[-1] == pytest.approx(23 * 0.855, abs=0.1)  # towards the front
