"""CT of livers with lesions, outlined: RTSTRUCT at most hospitals, DICOM SEG at one of four.

Each hospital has its own scanner, names and habits, as radiotherapy departments do.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from pydicom import uid
from pydicom.dataset import Dataset

from medfl_client.config.folder import SiteFolder
from medfl_common.ui.spreadsheet import CsvWriter
from medfl_sim.data.contours import Holes
from medfl_sim.data.phantoms import KINDS
from medfl_sim.data.phantoms._abdomen import Abdomen, Mask, draw
from medfl_sim.data.phantoms._hospital import (
    POLICY_OF_FEW,
    Origin,
    Person,
    blur,
    claim_homes,
    invent_person,
    origins_of,
    save,
)
from medfl_sim.data.phantoms._volume import Box, slices
from medfl_sim.data.region import Identity, Region
from medfl_sim.data.rtstruct_file import structure_set
from medfl_sim.data.seg_file import segmentation

INTERCEPT = -1024  # RescaleIntercept: what a stored 0 stands for
P_LESIONS = (0.25, 0.4, 0.35)  # probability of none, one and two
COLUMNS = ("series_instance_uid", "x", "y", "z", "diameter_mm")
HEADER: dict[str, object] = {
    "SOPClassUID": uid.CTImageStorage, "Modality": "CT", "BodyPartExamined": "ABDOMEN",
    "ImageType": ["DERIVED", "PRIMARY", "AXIAL"], "KVP": "", "AcquisitionNumber": "",
    "RescaleSlope": 1, "RescaleIntercept": INTERCEPT, "RescaleType": "HU",
    "WindowCenter": 60, "WindowWidth": 400,
}  # fmt: skip
ORGAN, LESION = ("123037004", "Anatomical Structure"), ("49755003", "Morphologic Abnormality")
SITE_FILE = """\
site: {site:<32}# the hospital's name in logs and reports
data:
  folder: dicom                       # CT and masks; sub-folders are searched too
  labels_from: masks                  # the outlines among the DICOM files
  masks:
"""


@dataclass(frozen=True)
class Scanner:
    """How one hospital's scanner sees and stores."""

    manufacturer: str  # fictional
    shape: tuple[int, int, int]  # D, H, W
    spacing_mm: float
    slice_mm: float
    noise: float  # standard deviation, Hounsfield units
    contrast: float  # of the liver to what is around it, Hounsfield units
    bits: int
    syntax: uid.UID
    is_turned: bool = False  # stores rows to the right and columns to the front
    is_from_head: bool = False
    tilt_deg: float = 0.0


@dataclass(frozen=True)
class Habit:
    """How one hospital outlines, and what it calls things."""

    liver: str
    lesions: tuple[str, str]  # names of the first and of the second; one name: one ROI for both
    other: str  # a further outline, which is no class of a study
    lesions_pattern: str  # as its site file writes it
    is_seg: bool = False  # DICOM SEG, not RTSTRUCT
    is_whole: bool = False  # the liver's outline holds its lesions
    holes: Holes = "apart"


@dataclass(frozen=True)
class Scan:
    """One patient's series, and the truth."""

    images: list[Dataset]
    abdomen: Abdomen
    box: Box


SCANNERS = (
    Scanner("PHANTOM ALPHA", (26, 80, 80), 4.2, 5.0, 10, 55, 12, uid.ExplicitVRLittleEndian),
    Scanner("PHANTOM BETA", (32, 72, 72), 4.6, 4.0, 14, 42, 16, uid.ImplicitVRLittleEndian,
            is_from_head=True),
    Scanner("PHANTOM GAMMA", (24, 80, 80), 4.1, 5.5, 11, 70, 12, uid.ExplicitVRLittleEndian,
            is_turned=True),
    Scanner("PHANTOM DELTA", (28, 80, 80), 4.3, 4.8, 13, 48, 16, uid.ImplicitVRLittleEndian,
            tilt_deg=12),
)  # fmt: skip
HABITS = (
    Habit("LIVER", ("GTV", "GTV"), "BODY", "GTV", is_whole=True),
    Habit("Leber", ("Tumor", "Tumor"), "Körper", "Tumor"),
    Habit("Liver", ("Neoplasm", "Neoplasm"), "Spleen", "Neoplasm", is_seg=True),
    Habit("liver_1", ("GTV1", "GTV2"), "External", "GTV*", holes="keyhole"),
)


@KINDS.register("organ-ct")
def organ_ct(folder: Path, n_sites: int, n_samples: int, seed: int) -> list[Path]:
    """Write hospitals of `n_samples` patients each, with one series and its outlines.

    Each has `dicom/PATIENT/study-1/SERIES-IMAGE.dcm`, where series 2 is the outlines,
    `lesions.csv` and `site.yaml`.
    """
    origins = origins_of("organ-ct", n_sites, seed)
    homes = claim_homes(folder, origins, n_samples)
    for origin, home in zip(origins, homes, strict=True):
        home.mkdir(parents=True, exist_ok=True)
        site_file = SiteFolder(home).site_file
        site_file.write_text(describe_site(home.name, habit_of(origin)), encoding="utf-8")
        with (home / "lesions.csv").open("w", encoding="utf-8", newline="") as file:
            table = CsvWriter(file)
            table.row(COLUMNS)
            for number in range(n_samples):
                person = invent_person(number, origin.rng(0, number), (61, 11))
                case = scan(origin, person)
                table.rows(rows_of(case))
                for image in [*case.images, outline(origin, person, case)]:
                    save(image, home / "dicom")
    return homes


def habit_of(origin: Origin) -> Habit:
    """Give how a hospital outlines."""
    return HABITS[(origin.site - 1) % len(HABITS)]


def describe_site(site: str, habit: Habit) -> str:
    """Write a site file with what this hospital's names mean."""
    names = {habit.liver: "liver", habit.lesions_pattern: "tumour", habit.other: "ignore"}
    masks: dict[str, object] = {"names": names}
    if habit.is_whole:
        masks["priority"] = ["tumour", "liver"]
    text = yaml.safe_dump(masks, sort_keys=False, allow_unicode=True)
    indented = "".join(f"    {line}\n" for line in text.splitlines())
    return SITE_FILE.format(site=site) + indented + POLICY_OF_FEW


def scan(origin: Origin, person: Person) -> Scan:
    """Draw and scan one patient; the first has two lesions, the second none."""
    scanner = SCANNERS[(origin.site - 1) % len(SCANNERS)]
    rng = origin.rng(1, person.number)
    x, y, z = (round(float(way), 1) for way in rng.uniform((-20, -150, -300), (20, -50, 100)))
    box = Box(scanner.shape, scanner.spacing_mm, scanner.slice_mm, (x, y, z), scanner.is_turned,
              scanner.is_from_head, scanner.tilt_deg)  # fmt: skip
    n_lesions = int(rng.choice(3, p=P_LESIONS))
    n_lesions = (2, 0)[person.number] if person.number < 2 else n_lesions
    abdomen = draw(box, n_lesions, scanner.contrast, rng)
    noise = blur(rng.normal(0, 2 * scanner.noise, box.shape).astype(np.float32), 0.6, 0.6)
    kind = np.int16 if scanner.bits == 16 else np.uint16
    stored = np.clip(np.rint(abdomen.hounsfield + noise - INTERCEPT), 0, 4095).astype(kind)
    own = {**HEADER, "Manufacturer": scanner.manufacturer}
    images = list(slices(stored, box, origin, person, 1, own, scanner.bits, scanner.syntax))
    return Scan(images, abdomen, box)


def rows_of(scan: Scan) -> list[tuple[str, ...]]:
    """Say of each lesion where it is in the patient, and its diameter, mm."""
    rows = []
    for lesion, _ in scan.abdomen.lesions:
        place = (c + p for c, p in zip(scan.box.centre, lesion.centre, strict=True))
        numbers = (f"{mm:.2f}" for mm in (*place, 2 * lesion.radius))
        rows.append((scan.images[0].SeriesInstanceUID, *numbers))
    return rows


def regions_of(scan: Scan, habit: Habit) -> list[Region]:
    """Name what was drawn as the hospital does, in the order in which its files store it."""
    abdomen, box = scan.abdomen, scan.box
    lesions: dict[str, Mask] = {}
    for name, (_, mask) in zip(habit.lesions, abdomen.lesions, strict=False):
        lesions[name] = lesions.get(name, np.zeros_like(mask)) | mask
    liver = abdomen.liver
    if not habit.is_whole:
        liver = np.logical_and.reduce([liver, *(~mask for mask in lesions.values())])
    spleen, body = ("78961009", "Spleen"), ("38266002", "Entire body as a whole")
    other = (abdomen.spleen, "ORGAN", spleen) if habit.is_seg else (abdomen.body, "EXTERNAL", body)
    found = [
        Region(habit.liver, box.stored(liver), "ORGAN", ORGAN, ("10200004", "Liver")),
        *(Region(name, box.stored(mask), "GTV", LESION, ("108369006", "Neoplasm"))
          for name, mask in lesions.items()),
        Region(habit.other, box.stored(other[0]), other[1], ORGAN, other[2]),
    ]  # fmt: skip
    return [region for region in found if region.mask.any()]


def outline(origin: Origin, person: Person, scan: Scan) -> Dataset:
    """Write the outlines of one series as the hospital does."""
    habit, number = habit_of(origin), person.number
    regions = regions_of(scan, habit)
    identity = Identity(origin.uid("series", number, 1, 2), origin.uid("image", number, 1, 2, 1), 2)
    if habit.is_seg:
        return segmentation(scan.images, regions, identity, origin.uid("dimensions", number))
    return structure_set(scan.images, regions, identity, habit.holes)
