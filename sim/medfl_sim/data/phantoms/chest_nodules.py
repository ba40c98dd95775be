"""Chest radiographs with boxes around their nodules; each hospital lists them in its own format.

Vessels, scars, crossings of ribs and electrodes look like nodules and are none.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from medfl_client.config.folder import SiteFolder
from medfl_sim.data.box_lists import Marked, Pixels, write_coco, write_csv, write_nih, write_voc
from medfl_sim.data.phantoms import KINDS
from medfl_sim.data.phantoms._boxed import describe_boxes
from medfl_sim.data.phantoms._hospital import (
    Origin,
    Person,
    claim_homes,
    describe,
    origins_of,
)
from medfl_sim.data.phantoms._nodules import GROWTH, P_NODULES, Radiograph, draw, invent_nodules
from medfl_sim.data.radiograph import (
    CR_STORAGE,
    DX_STORAGE,
    HEADER,
    LOOKS,
    Look,
    Patient,
    embed,
    invent_patient,
)

WIDTH_MM = 350.0  # of the imager, along its short side


@dataclass(frozen=True)
class Habit:
    """How one hospital lists its boxes."""

    write: Callable[[Iterable[Marked], Path], None]
    nodule: str  # its word
    described: dict[str, object]  # the list, as its site file says
    electrode: str = ""  # its word; empty: it does not box them
    is_flat: bool = False  # all images lie in one folder, and their names say whose they are
    times: int = 1  # the sides of the images that the boxes were drawn on, as multiples


HABITS = (
    Habit(write_csv, "nodule", {
        "file": "boxes.csv", "join": "SOPInstanceUID", "image_column": "sop_instance_uid",
        "class_column": "finding", "columns": ["x_min", "y_min", "x_max", "y_max"],
    }),
    Habit(write_coco, "Rundherd", {"file": "boxes.json", "format": "coco"}, electrode="Elektrode"),
    Habit(write_voc, "opacity, round", {"file": "boxes", "format": "voc"}),
    Habit(write_nih, "Nodule", {"file": "boxes.csv", "format": "nih", "unlisted": "none"},
          is_flat=True, times=4),
)  # fmt: skip


@KINDS.register("chest-nodules")
def chest_nodules(folder: Path, n_sites: int, n_samples: int, seed: int) -> list[Path]:
    """Write hospitals of `n_samples` chest images each, with a list of boxes.

    Each has `dicom/PATIENT/study-N.dcm`, or `dicom/PATIENT_N.dcm`, its list and `site.yaml`.
    """
    origins = origins_of("chest-nodules", n_sites, seed)
    homes = claim_homes(folder, origins, n_samples)
    for origin, home in zip(origins, homes, strict=True):
        home.mkdir(parents=True, exist_ok=True)
        habit = HABITS[(origin.site - 1) % len(HABITS)]
        site_file = SiteFolder(home).site_file
        site_file.write_text(describe_site(home.name, habit, look_of(origin)), encoding="utf-8")
        habit.write(write_images(origin, habit, n_samples, home / "dicom"), home)
    return homes


def look_of(origin: Origin) -> Look:
    """Give a hospital's machine."""
    return LOOKS[(origin.site - 1) % len(LOOKS)]


def describe_site(site: str, habit: Habit, look: Look) -> str:
    """Write a site file with where the list is and what its words mean."""
    names = {habit.nodule: "nodule", **({habit.electrode: "ignore"} if habit.electrode else {})}
    height, width = (side * habit.times for side in look.shape)
    size = {"image_size": [width, height]} if habit.times > 1 else {}
    return describe_boxes(site, {**habit.described, **size, "names": names})


def write_images(origin: Origin, habit: Habit, n_samples: int, folder: Path) -> Iterator[Marked]:
    """Invent patients until their images make `n_samples`; write each image and say its boxes."""
    number = n_images = 0
    while n_images < n_samples:
        patient = invent_patient(number, origin.rng(0, number))
        rng = origin.rng(1, number)
        n_nodules = int(rng.choice(len(P_NODULES), p=P_NODULES))
        n_nodules = (2, 0)[number] if number < 2 else n_nodules
        nodules = invent_nodules(patient, n_nodules, rng)
        for follow_up in range(min(patient.n_images, n_samples - n_images)):
            here = [one.grown(GROWTH**follow_up) for one in nodules]
            drawn = draw(patient, here, look_of(origin), origin.rng(2, number, follow_up))
            yield write_image(origin, habit, patient, follow_up, drawn, folder)
            n_images += 1
        number += 1


def write_image(
    origin: Origin, habit: Habit, patient: Patient, follow_up: int, drawn: Radiograph, folder: Path
) -> Marked:
    """Write one image."""
    look = look_of(origin)
    person = Person(patient.number, patient.sex, patient.age + follow_up)
    image = describe(origin, person, (follow_up + 1, 1, 1), header_of(look))
    embed(image, drawn.picture, look)
    name = f"{image.PatientID}/study-{follow_up + 1}.dcm"
    name = name.replace("/study-", "_") if habit.is_flat else name
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    image.save_as(folder / name, enforce_file_format=True)
    boxes = [(habit.nodule, box) for box in drawn.nodules]
    boxes += [(habit.electrode, box) for box in drawn.electrodes if habit.electrode]
    boxes = [(word, enlarged(box, habit.times)) for word, box in boxes]
    return Marked(image.SOPInstanceUID, name, look.shape, boxes)


def enlarged(box: Pixels, times: int) -> Pixels:
    """Give a box in the pixels of an image whose sides are `times` as long."""
    x, y, wide, high = box
    return x * times, y * times, wide * times, high * times


def header_of(look: Look) -> dict[str, object]:
    """Give the elements of a radiograph by one machine."""
    step = round(WIDTH_MM / min(look.shape), 3)
    return {
        **HEADER,
        "SOPClassUID": DX_STORAGE if look.modality == "DX" else CR_STORAGE,
        "Modality": look.modality,
        "Manufacturer": look.manufacturer,
        "ImagerPixelSpacing": [step, step],
    }
