"""Lists that would teach the opposite of what they say: they stop the site, or cost the image."""

import math
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.unit.client.boxes.boxed_site import (
    box_plan,
    found_in,
    read,
    write_picture,
    write_site,
)
from tests.unit.client.pixel_files import write

from medfl_client.config.site_file import load_site_file
from medfl_client.data.boxes.drawn import ALIKE
from medfl_client.data.boxes.joined import (
    NO_ENTRY,
    NO_IMAGE,
    TWO_ENTRIES,
    TWO_IMAGES,
    join_entries,
)
from medfl_client.data.boxes.listed import Entry
from medfl_client.data.boxes.names import UnmappedBoxesError
from medfl_client.data.dataset import BoxedImages
from medfl_client.data.dicom.header import Row
from medfl_client.data.examples import examples
from medfl_client.data.ingest import Collection
from medfl_client.data.reader import Source
from medfl_client.data.selection import COPY
from medfl_client.readiness.assess import as_json, assess
from medfl_client.training.augment import augment_with_boxes
from medfl_client.training.box_losses import box_loss
from medfl_common.errors import DataError

A_MASS = "p0.dcm,mass,8,8,24,16"


def test_a_list_that_does_not_join_makes_no_image_one_without_a_finding(tmp_path: Path) -> None:
    site = write_site(tmp_path, ["q0.dcm,mass,8,8,24,16", "q1.dcm,,,,,"])

    with pytest.raises(DataError, match=r"1 of 1 images with a box .*first in line 2") as caught:
        read(site, unlisted="none")
    assert "max_unjoined" not in caught.value.todo
    half = write_site(tmp_path, ["q0.dcm,mass,8,8,24,16", A_MASS])
    with pytest.raises(DataError, match="1 of 2 images with a box") as caught:
        read(half, unlisted="none")
    assert "raise data.boxes.max_unjoined" in caught.value.todo
    assert len(read(half, unlisted="none", max_unjoined=0.5).samples) == 4
    assert len(read(half).samples) == 1


def test_an_image_that_the_plan_leaves_out_is_here_all_the_same(tmp_path: Path) -> None:
    site = write_site(tmp_path, ["m.dcm,mass,8,8,24,16", A_MASS], n=2)
    write_picture(site, "m.dcm", Modality="MR")

    assert len(read(site, unlisted="none").samples) == 2


def test_other_letters_and_missing_folders_join_where_one_image_can_be_meant(
    tmp_path: Path,
) -> None:
    lines = ["P0.DCM,mass,8,8,24,16", "ROOT\\A\\S.dcm,mass,8,8,24,16", "t.DCM,mass,8,8,24,16"]
    site = write_site(tmp_path, lines, n=1)
    for name in ("a/s.dcm", "b/s.dcm", "b/t.dcm", "c/t.dcm"):
        write_picture(site, name)

    found = read(site)

    assert {*found_in(found)} == {"p0.dcm", "a/s.dcm"}
    assert found.refused["b/t.dcm"] == found.refused["c/t.dcm"] == TWO_IMAGES
    assert found.refused["b/s.dcm"] == NO_ENTRY


def test_an_image_in_two_spellings_is_lost_and_not_trained_with_half_its_boxes(
    tmp_path: Path,
) -> None:
    lines = ["p1.dcm,mass,8,8,24,16", "./p1.dcm,mass,40,8,50,16", "p1.png,mass,1,1,9,9", A_MASS,
             "p0.png,mass,1,1,9,9"]  # fmt: skip

    found = read(write_site(tmp_path, lines, n=2))

    assert {name: len(own) for name, own in found_in(found).items()} == {"p0.dcm": 1}
    assert found.refused == {"p1.dcm": TWO_ENTRIES}
    assert found.unused_boxes == dict.fromkeys(("boxes.csv: line 4", "boxes.csv: line 6"), NO_IMAGE)


def test_a_files_name_counts_before_a_folders(tmp_path: Path) -> None:
    site = write_site(tmp_path, ["IM1,mass,8,8,24,16"], n=0)
    write_picture(site, "IM1/other.dcm")
    write_picture(site, "a/IM1.dcm")

    assert [*found_in(read(site))] == ["a/IM1.dcm"]


def test_a_series_may_be_called_by_the_end_of_its_folder_or_of_a_slice() -> None:
    series = Source(tuple(Row(f"p1/s2/{k}.dcm", sop=f"1.{k}") for k in range(3)), -1)
    other = Source(tuple(Row(f"p2/s2/{k}.dcm", sop=f"2.{k}") for k in range(3)), -1)

    for key in ("data/p1/s2", "data/P1/S2", "data/p1/s2/1.dcm", "p1/s2"):
        joined = join_entries([series, other], {key: Entry("line 2")}, "path")
        assert joined.reasons == ["", NO_ENTRY]
    assert join_entries([series, other], {"s2": Entry("")}, "path").reasons == [TWO_IMAGES] * 2


def test_a_copy_of_a_file_is_left_out_and_the_other_keeps_its_boxes(tmp_path: Path) -> None:
    site = write_site(tmp_path, ["1.9.5,mass,8,8,24,16"], n=0, join="SOPInstanceUID")
    one = write_picture(site, "p0.dcm", SOPInstanceUID="1.9.5")
    (site / "images/copy.dcm").write_bytes(one.read_bytes())

    found = read(site, join="SOPInstanceUID")

    assert len(found.samples) == len(found.samples[0].boxes) == 1
    assert [*found.refused.values()] == [COPY]


def test_20_000_images_of_one_name_join_without_a_walk_over_all_pairs() -> None:
    n = 20_000
    sources = [Source((Row(f"p{i}/1-1.dcm", sop=f"1.{i}"),), 0) for i in range(n)]
    start = time.process_time()

    joined = join_entries(sources, {f"root/p{i}/1-1.dcm": Entry("") for i in range(n)}, "path")

    assert not any(joined.reasons)
    assert time.process_time() - start < 20  # pair by pair it takes minutes


def test_a_class_without_a_place_costs_its_image_unless_a_box_of_it_is_there(
    tmp_path: Path,
) -> None:
    lines = ["p0.dcm,mass,,,,", A_MASS, "p1.dcm,mass,,,,", "p2.dcm,nodule,1,1,9,9",
             "p2.dcm,mass,NaN,NA,nan,null", "p3.dcm,,NA,NA,NA,NA", "p4.dcm,NaN,,,,"]  # fmt: skip

    found = read(write_site(tmp_path, lines, n=5))

    assert [sample.targets for sample in found.samples] == [(1, 0), (0, 0), (0, 0)]
    assert found.refused == {
        "p1.dcm": "list of boxes, line 4: mass, and no box of it",
        "p2.dcm": "list of boxes, line 6: mass, and no box of it",
    }


def test_a_name_without_a_place_is_asked_about_and_may_say_that_nothing_is_there(
    tmp_path: Path,
) -> None:
    site = write_site(tmp_path, [A_MASS, "p1.dcm,No finding,,,,", "p2.dcm,artefact,5,5,5,5",
                                 "p3.dcm,artefact,,,,"])  # fmt: skip

    with pytest.raises(UnmappedBoxesError, match=r"'No finding' \(1 x\), 'artefact'"):
        read(site)
    found = read(site, names={"No*": "none", "artefact": "ignore"})

    assert {name: len(own) for name, own in found_in(found).items()} == {
        "p0.dcm": 1, "p1.dcm": 0, "p2.dcm": 0,
    }  # fmt: skip
    assert found.refused == {"p3.dcm": NO_ENTRY}


def test_decimal_commas_are_named_and_most_of_them_stop_the_site(tmp_path: Path) -> None:
    site = write_site(tmp_path, [A_MASS, 'p1.dcm,mass,"12,5",8,24,16'])

    assert "x0 has a decimal comma" in read(site).refused["p1.dcm"]
    site = write_site(tmp_path, [A_MASS] + 2 * ['p1.dcm,mass,"12,5",8,24,16'])
    with pytest.raises(DataError, match=r"line 3: x0 has a decimal comma.* 2 of 3 boxes"):
        read(site)


def frames(folder: Path, *lines: str, **boxes: object) -> Collection:
    """Read a file of 3 frames, m.dcm, and p0.dcm, with a list of frames."""
    site = write_site(folder, [], n=1)
    pixels = np.random.default_rng(0).integers(0, 900, (3, 48, 64), np.int16)
    write(site / "images/m.dcm", pixels, NumberOfFrames=3, PatientID="M")
    text = "image,what,x0,y0,x1,y1,frame\np0.dcm,,,,,,\n" + "".join(f"{line}\n" for line in lines)
    (site / "frames.csv").write_text(text)
    return read(site, file="frames.csv", frame_column="frame", **boxes)


def test_what_a_list_says_of_a_frame_is_of_no_other(tmp_path: Path) -> None:
    found = frames(tmp_path, "m.dcm,mass,8,8,24,16,1", "m.dcm,,,,,,2", "m.dcm,mass,9,9,9,9,3")

    of_file = {s.source.frame: len(s.boxes) for s in found.samples if s.row.name == "m.dcm"}
    assert of_file == {0: 1, 1: 0}
    assert found.refused_parts == {"list of boxes, line 5: the box has no area": 1}
    many = [f"m.dcm,mass,1,1,{2 + i / 100},9,{1 + i % 3}" for i in range(1200)]
    assert len(frames(tmp_path, *many).samples) == 4


def test_nothing_in_a_file_beside_a_box_in_a_frame_costs_the_file(tmp_path: Path) -> None:
    found = frames(tmp_path, "m.dcm,mass,8,8,24,16,1", "m.dcm,,,,,,")

    assert found.refused["m.dcm"].endswith("line 4: nothing is there, and line 3 has a box")


def test_boxes_of_several_readers_are_told(tmp_path: Path) -> None:
    lines = [A_MASS, "p0.dcm,mass,8,9,24,16", "p1.dcm,mass,8,8,24,16", "p1.dcm,nodule,8,9,24,16",
             "p1.dcm,mass,16,8,32,16"]  # fmt: skip

    found = read(write_site(tmp_path, lines, n=2))

    assert [*found.box_notes] == [(ALIKE,), ()]  # 7/8; another class, and 1/3


def test_a_class_that_the_list_is_not_about_neither_trains_nor_counts(tmp_path: Path) -> None:
    lines = ["p0.dcm,nodule,8,8,24,16", "p0.dcm,mass,1,1,9,9", "p1.dcm,,,,,"]
    plan = box_plan()
    found = read(write_site(tmp_path, lines, n=2), classes=["nodule"])

    assert [s.targets[1] for s in found.samples] == [1, 0]
    assert all(math.isnan(s.targets[0]) for s in found.samples)
    images = examples(found, np.arange(2), plan)
    assert isinstance(images, BoxedImages)
    pixels, boxes = images.batch(torch.arange(2))
    assert boxes[:, :, 0].nan_to_num(-1).tolist() == [[1, 0], [0, -1]]
    settings = plan.training.augmentation.model_copy(update={"share": 1.0, "shift": 0.1})
    _, moved = augment_with_boxes(pixels, boxes, settings, torch.Generator().manual_seed(1))
    assert moved[0, 1, 0] == 0
    maps = torch.randn(2, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    other = maps.clone()
    other[:, 0] += 5
    assert torch.equal(box_loss(plan)(maps, boxes), box_loss(plan)(other, boxes))
    other[:, 1] += 5
    assert not torch.equal(box_loss(plan)(maps, boxes), box_loss(plan)(other, boxes))


def test_a_site_says_one_class_without_a_class_column_and_readiness_says_the_others(
    tmp_path: Path,
) -> None:
    own = {"classes": ["nodule"], "class_column": ""}
    site = write_site(tmp_path, ["p0.dcm,,8,8,24,16", "p1.dcm,,,,,"], n=2, **own)

    found = assess(site, load_site_file(site), box_plan())

    assert found.boxes is not None
    assert found.boxes.cases == {"mass": (0, 0, 0), "nodule": (1, 1, 1)}
    assert any("is not about mass" in one.seen for one in found.findings)
    with pytest.raises(DataError, match=r"boxes\.classes has 'lump'"):
        read(site, classes=["lump"])


def test_without_a_plan_a_fault_of_the_list_is_told(tmp_path: Path) -> None:
    site = write_site(tmp_path, [A_MASS])
    (site / "boxes.csv").unlink()

    found = assess(site, load_site_file(site), None)

    assert found.verdict == "block"
    assert any("cannot be read" in one.seen for one in found.findings)
    told = as_json(found, "here")["boxes"]
    assert isinstance(told, dict)
    assert "fault" not in told


def test_only_an_image_without_a_line_may_count_as_one_without_a_finding(tmp_path: Path) -> None:
    site = write_site(tmp_path, [A_MASS, "p1.dcm,mass,9,9,9,9"], n=2)

    def advice() -> str:
        return " ".join(one.todo for one in assess(site, load_site_file(site), box_plan()).findings)

    assert "unlisted" not in advice()
    write_picture(site, "p2.dcm")
    assert "data.boxes.unlisted: none" in advice()
