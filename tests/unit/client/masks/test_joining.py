"""Whose masks are whose, and why an image has none."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.client.masks.mask_files import (
    FRAME,
    OTHER_FRAME,
    box,
    join,
    mask_file,
    volume_of,
    write_seg,
    write_series,
    write_structures,
)

from medfl_client.config.site_file import DataFiles
from medfl_client.data.dicom.annotation import unpacked_names
from medfl_client.data.dicom.header import Row, Rules
from medfl_client.data.dicom.index import rows, scan
from medfl_client.data.masks.files import COPY, MaskFile, find_masks
from medfl_client.data.masks.joined import (
    NO_IMAGE,
    NO_MASK,
    NO_PATH,
    ONE_OF_TWO,
    OTHER_PATIENT,
    OTHER_SERIES,
    TWO_IMAGES,
    TWO_MASKS,
    TWO_SERIES,
)
from medfl_client.data.reader import ALL_FRAMES, DicomReader, Source

AXIAL = "1\\0\\0\\0\\1\\0"


def volume(
    series: str, frame: str = FRAME, patient: str = "p", n: int = 3, side: int = 16
) -> Source:
    rows = tuple(
        Row(f"{series}/{i}.dcm", sop=f"{series}.{i}", series=series, patient=patient,
            frame_uid=frame, orientation=AXIAL, height=side, width=side)
        for i in range(3)
    )  # fmt: skip
    return Source(rows, ALL_FRAMES)


def mask(path: str, *names: str, refers: tuple[str, ...] = (), **facts: object) -> MaskFile:
    made = MaskFile(path, 1, 1, "rtstruct", path, "p", (FRAME,), refers, names)
    return replace(made, **facts)  # type: ignore[arg-type]


def test_the_frame_of_reference_joins_though_the_series_named_is_nobodys() -> None:
    one, two = volume("1.1"), volume("1.2", OTHER_FRAME)

    joined = join([one, two], [mask("m", "liver", refers=("9.9",))])

    assert [tuple(m.path for m in own) for own in joined.masks] == [("m",), ()]
    assert joined.reasons == ["", NO_MASK]
    assert joined.unused == {}


@pytest.mark.parametrize("refers", [("1.2.1",), ("1.2",)])
def test_of_several_series_in_one_frame_the_one_that_is_named_has_it(refers: tuple[str]) -> None:
    sources = [volume("1.1"), volume("1.2"), volume("1.3")]

    joined = join(sources, [mask("m", "liver", refers=refers)])

    assert joined.reasons == [NO_MASK, "", NO_MASK]


def test_of_several_series_in_one_frame_the_one_of_its_grid_has_it() -> None:
    sources = [volume("1.1", side=32), volume("1.2")]

    joined = join(sources, [mask("m", "liver", kind="dicom-seg", grid=(16, 16, AXIAL))])

    assert joined.reasons == [NO_MASK, ""]


def test_the_mask_of_a_series_that_is_no_sample_goes_to_no_other() -> None:
    other = [*volume("1.1").rows, Row("1.2/x.dcm", series="1.3", image_type="ORIGINAL\\LOCALIZER")]
    by_uid = [mask("m", "liver", refers=("1.1.0", "1.1")), mask("n", "liver", refers=("9", "1.2"))]
    alone = MaskFile("1.2/m.nii.gz", 1, 1, "nifti")
    beside = replace(other[0], path="1.2/y.dcm")

    joined = join([volume("1.2")], by_uid, others=other)
    path = join([volume("1.2")], [alone], others=other)  # nobody outlines a scout
    of_two = join([volume("1.2")], [alone], others=[beside])

    assert [m.path for m in joined.masks[0]] == ["n"]
    assert joined.unused == {"m": OTHER_SERIES}
    assert path.masks[0] == (alone,)
    assert (of_two.reasons, of_two.unused) == ([NO_MASK], {alone.path: NO_PATH})


def test_two_equal_candidates_are_refused_with_the_reason() -> None:
    of_two_series = join([volume("1.1"), volume("1.2")], [mask("m", "liver")])
    of_two_masks = join([volume("1.1")], [mask("a", "liver", "x"), mask("b", "liver")])

    assert of_two_series.reasons == [TWO_SERIES, TWO_SERIES]
    assert of_two_series.unused == {"m": TWO_IMAGES}
    assert of_two_masks.reasons == [TWO_MASKS]
    assert of_two_masks.unused == {"a": ONE_OF_TWO, "b": ONE_OF_TWO}


def test_a_file_for_each_organ_and_the_one_that_names_the_images_belong_together() -> None:
    masks = [
        mask("a", "liver"), mask("b", "tumour", refers=("1.1.0",)), mask("c", "tumour"),
    ]  # fmt: skip

    joined = join([volume("1.1")], masks)

    assert [m.path for m in joined.masks[0]] == ["a", "b"]
    assert joined.unused == {"c": ONE_OF_TWO}


def test_masks_are_rivals_by_what_their_names_mean() -> None:
    names = {"BODY [x]": "ignore", "air": "background", "liver_r?": "liver", "GTV [*": "tumour"}
    body = [mask("a", "liver", "BODY [x]", "air"), mask("b", "tumour", "BODY [x]", "air")]
    readers = [mask("a", "liver_r1"), mask("b", "liver_r2")]

    of_one_file = join([volume("1.1")], [mask("a", "GTV [1]", "GTV [2]")], names=names)
    of_two = join([volume("1.1")], body, names=names)
    refused = join([volume("1.1")], readers, names=names)
    others = join([volume("1.1")], [mask("a", "BODYx"), mask("b", "BODYx")], names=names)

    assert of_one_file.reasons == of_two.reasons == [""]
    assert [m.path for m in of_two.masks[0]] == ["a", "b"]
    assert refused.reasons == others.reasons == [TWO_MASKS]  # BODYx means nothing yet


def test_another_patients_mask_in_the_same_frame_is_refused() -> None:
    joined = join([volume("1.1")], [mask("m", "liver", patient="q")])
    alone = join([volume("1.1")], [mask("m", "liver", frames=(OTHER_FRAME,))])

    assert (joined.reasons, joined.unused) == ([NO_MASK], {"m": OTHER_PATIENT})
    assert alone.unused == {"m": NO_IMAGE}


def test_pictures_without_a_frame_of_reference_are_joined_by_their_own_uid() -> None:
    pictures = [
        Source((Row(f"{i}.dcm", sop=f"2.{i}", series="2", patient="p", height=8, width=8),))
        for i in range(3)
    ]

    joined = join(pictures, [mask("m", "lung", frames=("1.77",), refers=("2.1",))])

    assert joined.reasons == [NO_MASK, "", NO_MASK]


def test_the_slices_of_a_series_share_its_mask() -> None:
    slices = [Source((row,)) for row in volume("1.1").rows]

    assert join(slices, [mask("m", "liver")]).reasons == ["", "", ""]


def named(path: str) -> MaskFile:
    return MaskFile(path, 7, 7, path.rpartition(".")[2].replace("gz", "nifti"))


@pytest.mark.parametrize(
    "path", ["a/one_mask.nii.gz", "a_mask.png", "x/1.5_mask.nrrd", "y/1.5.9_mask.png"]
)
def test_other_masks_have_the_path_of_the_image_its_folder_or_its_uid(path: str) -> None:
    image = Source((Row("a/one.dcm", sop="1.5.9", series="1.5"),))

    joined = join([image], [named(path), named("b/one_mask.png")], suffix="_mask")

    assert [m.path for m in joined.masks[0]] == [path]
    assert joined.unused == {"b/one_mask.png": NO_PATH}


def test_a_picture_that_only_lies_beside_a_volume_is_no_mask_of_it() -> None:
    own, image = mask("1.1/rs", "liver"), named("1.1/ct.nii.gz")

    two = join([volume("1.1")], [own, named("1.1/preview.png")])
    three = join([volume("1.1")], [own, image])
    alone = join([volume("1.1")], [image, named("1.1/preview.png")])

    assert two.masks == three.masks == [(own,)]
    assert (two.unused, three.unused) == ({"1.1/preview.png": NO_PATH}, {image.path: NO_PATH})
    assert alone.masks == [(image,)]


def test_two_masks_of_one_path_are_refused_and_an_image_is_not_its_own_mask() -> None:
    image = Source((Row("a/one.png", size=7, mtime_ns=7, sop="a/one.png"),))

    two = join([image], [named("a/one.png"), named("a/one.nrrd"), named("a/one.nii.gz")])
    own = join([image], [named("a/one.png")])

    assert two.reasons == [TWO_MASKS]
    assert own.reasons == [NO_MASK]


def test_a_folder_gives_its_masks_and_copies_count_once(tmp_path: Path) -> None:
    base, data = tmp_path, DataFiles.model_validate({"folder": "d", "labels_from": "masks"})
    folder = base / "d"
    write_series(folder)
    write_seg(folder / "m/seg.dcm", [(1, (-7.5, -7.5, 0), box(0, 0, 1)[:, :2])])
    path = write_structures(folder / "m/rs.dcm", [("liver", []), ("tumour", [box(0, -1, 1)])])
    (folder / "m/copy.dcm").write_bytes(path.read_bytes())
    (folder / "m/broken.dcm").write_bytes(b"nothing")
    (folder / "m/a.nii.gz").write_bytes(b"?")
    scan(folder, base / "index", DicomReader(), Rules(b"k"))

    masks, refused = find_masks(
        base, base / "state", data, DicomReader(), data.masks, None, rows(base / "index")
    )

    found = {m.path: (m.kind, m.structures) for m in masks}
    assert found == {
        "m/a.nii.gz": ("nifti", ()),
        "m/copy.dcm": ("rtstruct", ("liver", "tumour")),
        "m/seg.dcm": ("dicom-seg", ("liver",)),
    }
    assert refused == {"m/rs.dcm": COPY}
    (seg,) = (m for m in masks if m.kind == "dicom-seg")
    assert join([volume_of(folder)], [seg]).reasons == [""]
    assert mask_file(path, folder).frames == (FRAME,)


def test_masks_of_another_folder_have_an_index_of_their_own(tmp_path: Path) -> None:
    words = {"folder": "d", "labels_from": "masks", "masks": {"folder": "m"}}
    data = DataFiles.model_validate(words)
    write_series(tmp_path / "d")
    write_series(tmp_path / "m")
    write_structures(tmp_path / "m/rs", [("tumour", [box(0, -1, 1)])])

    masks, refused = find_masks(
        tmp_path, tmp_path / "state", data, DicomReader(), data.masks, None, []
    )

    assert [m.path for m in masks] == ["rs"]
    assert set(refused.values()) == {"modality CT: no mask"}


def test_thousands_of_regions_and_giant_names_fit_a_row(tmp_path: Path) -> None:
    names = [("N" * 9000, []), *((f"region {i}", []) for i in range(1500))]
    with pytest.warns(UserWarning, match="exceeds the maximum length"):
        path = write_structures(tmp_path / "rs", names)

    found = mask_file(path, tmp_path)

    assert found.structures[0] == "N" * 64
    assert unpacked_names("[" * 4000) == ()
    assert 100 < len(found.structures) < 300
