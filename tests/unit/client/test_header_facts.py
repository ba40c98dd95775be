"""Facts that stand elsewhere in a header, special pictures, and contradictions."""

import re
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from tests.unit.client.pixel_files import RAMP, WHOLE, images, lut, put, write

from medfl_client.config.site_file import DataFiles
from medfl_client.data.dicom.header import Row, Rules, read_row
from medfl_client.data.dicom.notes import sentence
from medfl_client.data.dicom.pixels import load_image
from medfl_client.data.selection import sources_of
from medfl_common.plan.plan import Plan


def row_at(path: Path) -> Row:
    return read_row(path, path.name, Rules(b"k"))


def coded(value: str, scheme: str = "SCT") -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "a view"
    return Sequence([item])


@pytest.mark.parametrize(
    ("tags", "view"),
    [
        ({"ViewCodeSequence": coded("399162004")}, "CC"),
        ({"ViewCodeSequence": coded("R-10226", "SRT")}, "MLO"),
        ({"ViewCodeSequence": coded("272479007"), "ViewPosition": ""}, "PA"),
        ({"ViewCodeSequence": coded("399162004"), "ViewPosition": "MLO"}, "MLO"),
        ({"ViewCodeSequence": coded("12345")}, ""),
        ({"ViewCodeSequence": Sequence([])}, ""),
    ],
)
def test_a_view_may_be_a_code(tags: dict[str, object], view: str, tmp_path: Path) -> None:
    assert row_at(write(tmp_path / "a.dcm", RAMP, **tags)).view == view


@pytest.mark.parametrize("place", ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroups"])
def test_spacing_thickness_and_side_may_be_in_functional_groups(place: str, tmp_path: Path) -> None:
    groups, anatomy, measures, properties = Dataset(), Dataset(), Dataset(), Dataset()
    anatomy.FrameLaterality, measures.SliceThickness = "L", 3
    properties.ImagerPixelSpacing = [0.5, 0.5]
    groups.FrameAnatomySequence = Sequence([anatomy])
    groups.PixelMeasuresSequence = Sequence([measures])
    groups.FramePixelDataPropertiesSequence = Sequence([properties])
    name = place if place.endswith("Sequence") else f"{place}Sequence"
    path = write(tmp_path / "a.dcm", RAMP, **{name: Sequence([groups])}, **WHOLE)

    row = row_at(path)

    assert (row.spacing_mm, row.slice_mm, row.laterality) == (0.5, 3.0, "L")
    shown = load_image(path, images(spacing_mm=1.0))[0]
    assert (shown > 0).any(axis=1).sum() == 8  # 16 rows of 0.5 mm


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["ORIGINAL", "PRIMARY", "LOCALIZER"], "localizer"),
        (["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"], "mosaic"),
        (["DERIVED", "SECONDARY", "SCREEN SAVE"], "screen"),
        (["DERIVED", "PRIMARY", "SUBTRACTION"], "subtraction"),
        (["DERIVED", "SECONDARY", "AXIAL"], ""),
        (["ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"], ""),
    ],
)
def test_special_pictures_take_part_only_where_the_plan_asks(
    words: list[str], kind: str, plan: Plan, tmp_path: Path
) -> None:
    row = row_at(write(tmp_path / "a.dcm", RAMP, ImageType=words))
    asking = plan.model_copy(update={"images": images(image_types=[kind] if kind else [])})
    plain = plan.model_copy(update={"images": images()})

    _, refused = sources_of([row], DataFiles(folder=".", labels_from="folder"), plain, tmp_path)
    kept, _ = sources_of([row], DataFiles(folder=".", labels_from="folder"), asking, tmp_path)

    assert len(kept) == 1
    expected = f"ImageType (0008,0008) has {words[-1]}: no {kind} in the plan (images.image_types)"
    assert refused == ({"a.dcm": expected} if kind else {})


def test_a_plan_that_asks_for_no_special_picture_keeps_its_hash(plan: Plan) -> None:
    changed = plan.images.model_copy(update={"image_types": ["mosaic"]})

    assert '"image_types"' not in plan.canonical()
    assert plan.model_copy(update={"images": changed}).hash() != plan.hash()


@pytest.mark.parametrize(
    ("tags", "raw", "what"),
    [
        ({"PresentationLUTShape": "INVERSE"}, {}, r"INVERSE contradicts Photometric.*\(0028,0004"),
        (
            {"PresentationLUTShape": "IDENTITY", "PhotometricInterpretation": "MONOCHROME1"},
            {},
            "IDENTITY contradicts",
        ),
        (
            {"VOILUTSequence": Sequence([lut(0, 16, list(range(4096)))])},
            {},
            r"VOI table \(0028,3010\) uses 6 % of its range",
        ),
        ({}, {"WindowCenter": ("DS", b"750,5 ")}, r"decimal comma in WindowCenter \(0028,1050\)"),
        ({"RescaleIntercept": -1000}, {}, r"only one of RescaleSlope \(0028,1053\) and Rescale"),
        ({"PixelSpacing": [0, 0]}, {}, r"PixelSpacing \(0028,0030\) is no pair of millimetres"),
    ],
)
def test_a_header_that_may_not_mean_what_it_says_has_a_note(
    tags: dict[str, object], raw: dict[str, tuple[str, bytes]], what: str, tmp_path: Path
) -> None:
    row = row_at(put(write(tmp_path / "a.dcm", RAMP, **{**WHOLE, **tags}), **raw))

    (note,) = row.notes.split()

    assert re.search(what, sentence(note)[0])


def test_a_right_header_has_no_note(tmp_path: Path) -> None:
    tags = {"PresentationLUTShape": "INVERSE", "PhotometricInterpretation": "MONOCHROME1"}
    table = lut(0, 12, list(range(4096)))
    more = {"RescaleSlope": 1, "RescaleIntercept": 0, "VOILUTSequence": Sequence([table])}
    path = write(tmp_path / "a.dcm", np.array(RAMP), **tags, **more, PixelSpacing=[0.5, 0.5])

    assert row_at(path).notes == ""
