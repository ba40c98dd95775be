"""A site's list of boxes to what is trained on: joined, mapped, placed; what is lost, and why."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.masks import mask_plan
from tests.unit.client.boxes.boxed_site import (
    box_plan,
    found_in,
    read,
    settings,
    write_picture,
    write_site,
)
from tests.unit.client.pixel_files import write

from medfl_client.data.boxes.drawn import NO_FRAME, OTHER_ASPECT, TWICE
from medfl_client.data.boxes.joined import NO_ENTRY, NO_IMAGE, TWO_IMAGES
from medfl_client.data.boxes.names import UnmappedBoxesError
from medfl_client.data.boxes.places import PASSED_OVER
from medfl_client.data.dataset import BoxedImages
from medfl_client.data.duplicates import DIFFERENT_IN_TWINS
from medfl_client.data.examples import examples
from medfl_client.data.labels import refuse_other_labels
from medfl_client.data.site_data import site_data
from medfl_common.errors import ConfigError, DataError

# 64 x 48 pixels become 32 x 24, with 4 black rows above and below
A_MASS, IN_INPUT = "p0.dcm,mass,8,8,24,16", [0, 10, 8, 4, 8]  # class, y, x, height, width


def test_boxes_presence_and_batches_are_those_of_the_list(tmp_path: Path) -> None:
    site = write_site(tmp_path, [A_MASS, "p0.dcm,nodule,40,0,64,48", "p1.dcm,,,,,"])

    found = read(site)

    assert found_in(found) == {"p0.dcm": [IN_INPUT, [1, 16, 26, 24, 12]], "p1.dcm": []}
    assert [sample.targets for sample in found.samples] == [(1, 1), (0, 0)]
    assert found.refused == {"p2.dcm": NO_ENTRY, "p3.dcm": NO_ENTRY}
    images = examples(found, np.arange(2), box_plan())
    assert isinstance(images, BoxedImages)
    _, boxes = images.batch(torch.arange(2))
    assert boxes.shape == (2, 2, 5)
    assert boxes[0, 0].tolist() == IN_INPUT
    assert boxes[1].isnan().all()


def test_what_no_line_names_has_nothing_where_the_site_says_so(tmp_path: Path) -> None:
    site = write_site(tmp_path, [A_MASS, "q9.dcm,mass,1,1,9,9"])

    found = read(site, unlisted="none", max_unjoined=0.5)

    assert {name: len(own) for name, own in found_in(found).items()} == {
        "p0.dcm": 1, "p1.dcm": 0, "p2.dcm": 0, "p3.dcm": 0,
    }  # fmt: skip
    assert found.unused_boxes == {"boxes.csv: line 3": NO_IMAGE}


def test_a_name_without_class_stops_the_site_and_is_listed(tmp_path: Path) -> None:
    lines = [A_MASS, "p1.dcm,Mass_12,1,1,9,9", "p1.dcm,artefact,1,1,9,9", "p1.dcm,,,,,"]
    site = write_site(tmp_path, lines)

    with pytest.raises(UnmappedBoxesError, match=r"'Mass_12' \(1 x\), 'artefact' \(1 x\)"):
        read(site)
    with pytest.raises(DataError, match="'masses', which is no class of the plan"):
        read(site, names={"M*": "masses"})
    lines.pop()
    site = write_site(tmp_path, lines)
    found = read(site, names={"Mass_*": "mass", "art?fact": "ignore"})
    assert [own[0][0] for own in found_in(found).values()] == [0, 0]


FAULTS = {
    "mass,30,30,30,40": "list of boxes, line 2: the box has no area",
    "mass,30,30,20,40": "list of boxes, line 3: the box has no area",
    "mass,nan,30,40,40": "x0 is no number",
    "mass,1,-inf,40,40": "y0 is no number",
    "mass,1,1,1e400,40": "x1 is no number",
    "mass,1,1,1e9,40": "x1 is farther than 1e+07",
    "mass,1,P1234,40,40": "y0 is no number",
    "mass,1,,40,40": "y0 is no number",
    ",1,1,40,40": "the box has no class",
    "mass,1,1,66,40": "the box lies outside the 64 x 48 pixels",
    "mass,-3,1,20,40": "the box lies outside the 64 x 48 pixels",
    "mass,64.2,1,64.9,40": "the box lies outside the 64 x 48 pixels",
}


def test_a_box_that_cannot_be_costs_its_image_with_the_line_and_no_other(tmp_path: Path) -> None:
    n = len(FAULTS)
    lines = [f"p{i}.dcm,{line}" for i, line in enumerate(FAULTS)]
    whole = [f"p{i}.dcm,mass,8,8,24,16" for i in range(n + 1)]

    found = read(write_site(tmp_path, [*lines, *whole], n=n + 1))

    assert [*found_in(found)] == [f"p{n}.dcm"]
    for i, why in enumerate(FAULTS.values()):
        assert found.refused[f"p{i}.dcm"].endswith(why)
    assert "P1234" not in str(found.refused)


def test_an_overhang_of_a_pixel_is_cut_off_and_a_doubled_line_counts_once(tmp_path: Path) -> None:
    site = write_site(tmp_path, ["p0.dcm,mass,-0.6,0,64.9,48.4", "p1.dcm,mass,8,8,24,16",
                                 "p1.dcm,mass,8,8,24,16"])  # fmt: skip

    found = read(site)

    assert found_in(found) == {"p0.dcm": [[0, 16, 16, 24, 32]], "p1.dcm": [IN_INPUT]}
    assert [*found.box_notes] == [(), (TWICE,)]


def test_a_line_that_says_nothing_beside_a_box_costs_the_image(tmp_path: Path) -> None:
    site = write_site(tmp_path, ["p1.dcm,mass,1,1,9,9", "p1.dcm,no finding,,,,", A_MASS])

    found = read(site, names={"no finding": "none"})

    seen = "list of boxes, line 3: nothing is there, and line 2 has a box"
    assert found.refused["p1.dcm"] == seen


def test_too_many_boxes_of_one_image_cost_it_alone(tmp_path: Path) -> None:
    many = [f"p1.dcm,mass,1,1,{2 + i / 100},9" for i in range(1001)]
    site = write_site(tmp_path, [*many, A_MASS])

    found = read(site)

    assert [*found_in(found)] == ["p0.dcm"]
    assert "more than 1000 boxes" in found.refused["p1.dcm"]


WAYS = {
    "corners": "8,8,24,16", "pixels": "8,8,23,15", "pixels_from_1": "9,9,24,16", "size": "8,8,16,8",
}  # fmt: skip


@pytest.mark.parametrize(("way", "numbers"), WAYS.items())
def test_a_box_is_the_same_however_it_is_written(tmp_path: Path, way: str, numbers: str) -> None:
    site = write_site(tmp_path, [f"p0.dcm,mass,{numbers}"])

    assert found_in(read(site, box=way)) == {"p0.dcm": [IN_INPUT]}


def test_boxes_of_a_larger_picture_are_brought_to_the_files_pixels(tmp_path: Path) -> None:
    site = write_site(tmp_path, ["p0.dcm,mass,80,80,240,160", "p1.dcm,mass,1,1,641.5,9"])

    found = read(site, image_size=[640, 480])

    assert found_in(found) == {"p0.dcm": [IN_INPUT]}
    assert "outside the 640 x 480 pixels" in found.refused["p1.dcm"]
    with pytest.raises(DataError, match=OTHER_ASPECT):
        read(site, image_size=[640, 450])


def test_an_image_may_be_called_by_its_name_alone_where_only_one_can_be_meant(
    tmp_path: Path,
) -> None:
    lines = ["images/a/s.dcm,mass,8,8,24,16", "t,mass,8,8,24,16", "1.2.3,mass,8,8,24,16",
             "c/v.dcm,mass,8,8,24,16"]  # fmt: skip
    site = write_site(tmp_path, lines, n=0)
    for name in ("a/s.dcm", "b/s.dcm", "a/t.dcm", "b/t.dcm", "1.2.3.dcm", "1.2.4.dcm", "d/v.dcm"):
        write_picture(site, name)

    found = read(site)

    assert {*found_in(found)} == {"a/s.dcm", "1.2.3.dcm"}
    assert found.refused["a/t.dcm"] == found.refused["b/t.dcm"] == TWO_IMAGES
    assert found.refused["b/s.dcm"] == found.refused["d/v.dcm"] == NO_ENTRY


def test_a_patient_is_joined_by_a_hash_and_one_line_is_not_for_two_images(tmp_path: Path) -> None:
    site = write_site(tmp_path, ["A,mass,8,8,24,16", "B,mass,8,8,24,16"], n=0)
    write_picture(site, "x.dcm", PatientID="A")
    write_picture(site, "y.dcm", PatientID="B")
    write_picture(site, "z.dcm", PatientID="B")

    found = read(site, join="PatientID")

    assert [*found_in(found)] == ["x.dcm"]
    assert found.refused == dict.fromkeys(("y.dcm", "z.dcm"), TWO_IMAGES)


def test_boxes_are_of_one_frame_of_a_file_with_several(tmp_path: Path) -> None:
    site = write_site(tmp_path, ["m.dcm,mass,8,8,24,16"], n=1)
    pixels = np.random.default_rng(0).integers(0, 900, (3, 48, 64), np.int16)
    write(site / "images/m.dcm", pixels, NumberOfFrames=3, PatientID="M")
    text = "image,what,x0,y0,x1,y1,frame\nm.dcm,mass,8,8,24,16,2\np0.dcm,,,,,,\n"
    (site / "frames.csv").write_text(text)

    found = read(site, file="frames.csv", frame_column="frame")

    assert [(s.row.name, s.source.frame, len(s.boxes)) for s in found.samples if s.boxes] == [
        ("m.dcm", 1, 1)
    ]
    assert (len(found.samples), found.refused_parts) == (2, {NO_ENTRY: 2})
    every = read(site, file="frames.csv", frame_column="frame", unlisted="none")
    assert len(every.samples) == 4
    (site / "frames.csv").write_text(text.replace("16,2", "16,4"))
    assert (
        "frame 4, and the file has 3"
        in (read(site, file="frames.csv", frame_column="frame").refused["m.dcm"])
    )
    with pytest.raises(DataError, match=NO_FRAME):
        read(site)


def test_equal_pictures_with_other_boxes_are_both_left_out(tmp_path: Path) -> None:
    site = write_site(tmp_path, [A_MASS, "q.dcm,mass,8,8,26,16", "p1.dcm,,,,,"], n=2)
    twin = write_picture(site, "p0.dcm")
    (site / "images/q.dcm").write_bytes(twin.read_bytes())

    found = read(site)

    assert found.refused == dict.fromkeys(("p0.dcm", "q.dcm"), DIFFERENT_IN_TWINS)
    (site / "boxes.csv").write_text((site / "boxes.csv").read_text().replace("26", "24"))
    assert {*found_in(read(site))} == {"p0.dcm", "p1.dcm"}


def test_a_corrected_list_is_noticed_and_no_image_is_decoded_again(tmp_path: Path) -> None:
    site = write_site(tmp_path, [A_MASS, "p1.dcm,,,,,"])
    plan = box_plan()
    before = site_data(read(site), plan).members
    caches = sorted((site / "state/cache").glob("*/pixels.raw"))
    stamps = [path.stat().st_mtime_ns for path in caches]
    (site / "boxes.csv").write_text((site / "boxes.csv").read_text().replace("24", "30"))

    after = site_data(read(site), plan).members

    assert len(caches) == 2
    assert [path.stat().st_mtime_ns for path in caches] == stamps
    assert before is not None
    assert after is not None
    assert before() != after()


def test_a_box_that_the_crop_leaves_out_does_not_count_as_present(tmp_path: Path) -> None:
    site = write_site(tmp_path, ["p0.dcm,mass,0,0,6,6", "p0.dcm,nodule,30,20,40,30"])
    write_picture(site, "p0.dcm", PixelSpacing=[1, 1])

    found = read(site, box_plan(images={"spacing_mm": 1.0}))  # 32 of 64 pixels, 32 of 48

    assert found.samples[0].targets == (0, 1)
    assert [*found.box_notes] == [(PASSED_OVER,)]


def test_labels_of_another_kind_than_the_plans_are_refused_both_ways(tmp_path: Path) -> None:
    boxes, masks = settings(), settings().model_copy(update={"labels_from": "masks"})
    with pytest.raises(DataError, match="segmentation, its labels are masks"):
        refuse_other_labels(boxes, mask_plan())
    with pytest.raises(DataError, match="detection, its labels are boxes"):
        refuse_other_labels(masks, box_plan())
    binary = box_plan().model_copy(
        update={"task": box_plan().task.model_copy(update={"type": "multilabel"})}
    )
    for data in (boxes, masks):
        with pytest.raises(DataError, match="the plan is multilabel"):
            refuse_other_labels(data, binary)


WRONG = {
    "file": ("", "labels from boxes need boxes.file"),
    "columns": (["a", "b"], "four columns"),
    "image_column": ("", "image_column"),
    "format": ("coco", "is of format: csv"),
    "position_columns": (["a", "b", "c"], "columns, or position_columns"),
    "image_size": ([10], "width, height"),
}


@pytest.mark.parametrize(("key", "wrong"), WRONG.items(), ids=WRONG.keys())
def test_a_site_file_says_what_is_missing(key: str, wrong: tuple[object, str]) -> None:
    with pytest.raises(ConfigError, match=wrong[1]):
        settings(**{key: wrong[0]})


def test_a_list_that_is_no_csv_or_lacks_a_column_is_refused_with_the_line(tmp_path: Path) -> None:
    site = write_site(tmp_path, [A_MASS, 'p1.dcm,"mass,1,1,9,9'])

    with pytest.raises(DataError, match="line 3"):
        read(site)
    with pytest.raises(DataError, match="no column 'finding'"):
        read(site, class_column="finding")
    with pytest.raises(DataError, match="cannot be read"):
        read(site, file="none.csv")


def test_without_a_class_column_all_are_of_the_one_class(tmp_path: Path) -> None:
    site = write_site(tmp_path, [A_MASS])

    with pytest.raises(DataError, match="class_column is missing"):
        read(site, class_column="")
    found = read(site, box_plan(task={"classes": ["lesion"]}), class_column="")
    assert found_in(found) == {"p0.dcm": [IN_INPUT]}
