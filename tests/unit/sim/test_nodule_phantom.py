"""Synthetic chest images with boxed nodules: each list, read plainly, is where they were drawn."""

import csv
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from tests.unit.sim.phantom_files import read_images

from medfl_client.config.site_file import load_site_file
from medfl_sim.data.phantoms import KINDS
from medfl_sim.data.phantoms._hospital import Origin
from medfl_sim.data.phantoms._nodules import draw
from medfl_sim.data.radiograph import LOOKS, invent_patient

SEED, N_IMAGES = 3, 6
Edges = tuple[float, float, float, float]  # left, top, right, bottom of a box, from the corner
Listed = dict[str, list[tuple[str, Edges]]]  # SOPInstanceUID -> names and boxes


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four hospitals."""
    return KINDS.get("chest-nodules")(tmp_path_factory.mktemp("nodules"), 4, N_IMAGES, SEED)


def uid_at(home: Path, path: Path | str) -> str:
    return str(dcmread(home / "dicom" / path, stop_before_pixels=True).SOPInstanceUID)


def read_csv(home: Path) -> Listed:
    found: Listed = {}
    with (home / "boxes.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            boxes = found.setdefault(row["sop_instance_uid"], [])
            if row["finding"]:
                left, top, right, bottom = (
                    float(row[key]) for key in ("x_min", "y_min", "x_max", "y_max")
                )
                boxes.append((row["finding"], (left, top, right, bottom)))
    return found


def read_coco(home: Path) -> Listed:
    whole = json.loads((home / "boxes.json").read_text())
    names = {kind["id"]: kind["name"] for kind in whole["categories"]}
    uids = {image["id"]: uid_at(home, image["file_name"]) for image in whole["images"]}
    found: Listed = {uid: [] for uid in uids.values()}
    for one in whole["annotations"]:
        x, y, wide, high = one["bbox"]
        box = (names[one["category_id"]], (x, y, x + wide, y + high))
        found[uids[one["image_id"]]].append(box)
    return found


def read_voc(home: Path) -> Listed:
    found: Listed = {}
    for path in (home / "boxes").rglob("*.xml"):
        image = path.relative_to(home / "boxes").with_suffix(".dcm")
        boxes = found.setdefault(uid_at(home, image), [])
        for one in ElementTree.parse(path).iter("object"):
            left, top, right, bottom = (
                float(one.findtext(f"bndbox/{key}", "")) for key in ("xmin", "ymin", "xmax", "ymax")
            )
            boxes.append((one.findtext("name", ""), (left - 1, top - 1, right, bottom)))
    return found


def read_nih(home: Path) -> Listed:
    found: Listed = {}
    with (home / "boxes.csv").open(newline="") as file:
        for name, finding, *numbers in [*csv.reader(file)][1:]:
            x, y, wide, high = (float(n) / 4 for n in numbers)  # drawn on larger images
            box = (x, y, x + wide, y + high)
            found.setdefault(uid_at(home, name), []).append((finding, box))
    return found


READ = (read_csv, read_coco, read_voc, read_nih)


def levels_of(image: Dataset) -> np.ndarray:
    """Give a picture's levels, 0 black .. 1 white, by its window."""
    values = image.pixel_array * float(image.RescaleSlope) + float(image.RescaleIntercept)
    window = image["WindowWidth"].value, image["WindowCenter"].value
    wide, centre = (v[0] if hasattr(v, "__len__") else v for v in window)
    levels = (values - centre) / wide + 0.5
    return 1 - levels if image.PhotometricInterpretation == "MONOCHROME1" else levels


def test_what_the_nodules_add_to_a_picture_lies_in_the_boxes_of_its_list(homes: list[Path]) -> None:
    n_boxes = 0
    for site, (home, read) in enumerate(zip(homes, READ, strict=True), start=1):
        word = next(
            word for word, means in load_site_file(home).data.boxes.names.items()
            if means == "nodule"
        )  # fmt: skip
        listed = read(home)
        origin = Origin("chest-nodules", site, SEED)
        for image in read_images(home):
            number, follow_up = int(image.PatientID[-4:]), int(image.StudyID) - 1
            patient = invent_patient(number, origin.rng(0, number))
            healthy = draw(patient, [], LOOKS[site - 1], origin.rng(2, number, follow_up)).picture
            added = levels_of(image) - healthy
            boxes = [b for name, b in listed.get(image.SOPInstanceUID, []) if name == word]
            inside = np.zeros(added.shape, bool)
            for left, top, right, bottom in boxes:
                part = added[int(top) : int(bottom), int(left) : int(right)]
                inside[int(top) - 3 : int(bottom) + 3, int(left) - 3 : int(right) + 3] = True
                assert part[2:-2, 2:-2].mean() > 0.06
                edges = (part[0], part[-1], part[:, 0], part[:, -1])
                assert all(edge.max() > 0.3 * part.max() for edge in edges)
                n_boxes += 1
            assert abs(added[~inside]).max() < 0.06
    assert n_boxes > 12


def test_the_first_image_has_nodules_and_the_second_none(homes: list[Path]) -> None:
    for home, read in zip(homes, READ, strict=True):
        listed = read(home)
        named = {
            int(image.PatientID[-4:]): [name for name, _ in listed.get(image.SOPInstanceUID, [])]
            for image in read_images(home)
            if image.StudyID == "1"
        }

        assert len(named[0]) - named[0].count("Elektrode") == 2
        assert set(named[1]) <= {"Elektrode"}


def test_hospitals_differ_in_header_pixels_and_words(homes: list[Path]) -> None:
    firsts = [read_images(home)[0] for home in homes]

    assert len({image.Manufacturer for image in firsts}) == 4
    assert {image.Modality for image in firsts} == {"DX", "CR"}
    assert {image.PhotometricInterpretation for image in firsts} == {"MONOCHROME1", "MONOCHROME2"}
    assert len({(image.Rows, image.Columns) for image in firsts}) == 4
    assert len({image.ImagerPixelSpacing[0] for image in firsts}) >= 1
    words = [{*load_site_file(home).data.boxes.names} for home in homes]
    assert sum(map(len, words)) == len(set.union(*words)) == 5
