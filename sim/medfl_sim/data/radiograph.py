"""Small, valid, clearly synthetic DICOM hospitals with known labels.

No patient is in them: each image consists of ellipses, waves and noise. An image is
(H, W) float, 0 air .. 1 bone as a reader sees it, until `embed` gives it one
hospital's bits. A point is (x, y) in half short sides: 0 is the centre, +x the patient's left,
+y the feet. The same (seed, site, image) gives the same bytes, whatever `n_images` is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from openjpeg.utils import encode_array
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

from medfl_client.config.folder import SiteFolder
from medfl_common.errors import ConfigError
from medfl_common.ui.spreadsheet import CsvWriter

Picture = NDArray[np.floating]
Grid = tuple[Picture, Picture]  # x and y of each pixel
Point = tuple[float, float]
FINDINGS = ("normal", "opacity")
PREVALENCE = 0.45  # share of patients whose first image has the opacity
P_CHANGE = 0.08  # probability that a follow-up image has the other finding
STAMP = ("###.#.#.#..#", "#...#.#.##.#", "###..#..#.##", "..#..#..#..#", "###..#..#..#")
SYN = np.array([[dot == "#" for dot in row] for row in STAMP])  # (5, 12), burned into each image
CR_STORAGE = uid.ComputedRadiographyImageStorage
DX_STORAGE = uid.DigitalXRayImageStorageForPresentation
NOT_A_PATIENT = "SYNTHETIC PHANTOM, NOT A PATIENT"
HEADER: dict[str, str | list[str]] = {  # the same in every file
    "ImageType": ["DERIVED", "PRIMARY"], "PresentationIntentType": "FOR PRESENTATION",
    "InstitutionName": "SYNTHETIC DATA, NO HOSPITAL", "PatientName": "SYNTHETIC^PHANTOM",
    "SeriesDescription": NOT_A_PATIENT, "ImageComments": NOT_A_PATIENT,
    "BodyPartExamined": "CHEST", "ViewPosition": "PA", "PatientOrientation": ["L", "F"],
    "BurnedInAnnotation": "YES", "LossyImageCompression": "00", "RescaleType": "US",
    "StudyID": "1", "SeriesNumber": "1", "InstanceNumber": "1", "AccessionNumber": "",
    "StudyTime": "", "PatientBirthDate": "", "ReferringPhysicianName": "",
}  # fmt: skip
SITE_FILE = """\
site: {site}                          # the hospital's name in logs and reports
data:
  folder: dicom                         # where the DICOM files are; sub-folders are searched too
  labels: labels.csv                    # one row per image, first line = column names
  join: SOPInstanceUID                  # the DICOM tag that ties an image to its row
  join_column: sop_instance_uid         # the column of labels.csv that holds this tag's value
  label_column: finding                 # the column of labels.csv that holds the answer
"""


@dataclass(frozen=True)
class Look:
    """How one hospital's machine writes an image."""

    manufacturer: str  # fictional
    modality: str  # CR or DX
    bits_stored: int  # 8 is stored in 8 bits, 9..16 in 16
    syntax: uid.UID  # transfer syntax
    shape: tuple[int, int]  # (H, W), pixels
    noise: float  # standard deviation in a mid-grey pixel, 0..1 = full contrast
    fill: tuple[float, float] = (0.05, 0.95)  # part of the stored range that black..white takes
    is_inverted: bool = False  # MONOCHROME1: the largest value is black
    slope: float = 1.0  # RescaleSlope
    intercept: float = 0.0  # RescaleIntercept
    is_signed: bool = False  # pixel representation 1; half the range is taken off
    windows: tuple[float, ...] = (1.0,)  # window widths as multiples of black..white


LOOKS = (
    Look("PHANTOM ALPHA", "DX", 12, uid.ImplicitVRLittleEndian, (128, 128), 0.035, (0.1, 0.7)),
    Look("PHANTOM BETA", "CR", 10, uid.RLELossless, (160, 128), 0.05,
         is_inverted=True, slope=4, intercept=-500),
    Look("PHANTOM GAMMA", "DX", 16, uid.JPEG2000Lossless, (144, 128), 0.025, (0.2, 0.6),
         windows=(1.0, 1.4)),
    Look("PHANTOM DELTA", "CR", 12, uid.ExplicitVRLittleEndian, (128, 160), 0.045, is_signed=True),
    Look("PHANTOM ZETA", "DX", 8, uid.ExplicitVRLittleEndian, (152, 136), 0.03, is_inverted=True),
)  # fmt: skip


@dataclass(frozen=True)
class Patient:
    """One invented person; lengths in half short sides of the image."""

    number: int  # from 0, within the site
    n_images: int  # 1..3, each its own study
    sex: str  # F or M
    age: int  # years at the first study
    finding: str  # of the first image
    width: float  # half the trunk
    lung: Point  # half axes of one lung, x and y
    heart: float  # half the width of the heart
    centre: Point  # of the chest
    n_ribs: float  # per unit length


@dataclass(frozen=True)
class Shot:
    """One image of one patient, and what it shows."""

    number: int  # from 0, within the site
    patient: Patient
    follow_up: int  # 0 for the first study
    finding: str


def write_hospitals(folder: Path, n_sites: int, n_images: int, seed: int) -> list[Path]:
    """Write `n_sites` synthetic hospitals of `n_images` DICOM files each; return the site folders.

    Each has `dicom/PATIENT/STUDY.dcm`, `labels.csv` and `site.yaml`, and a machine of its own
    from `LOOKS`, in turn. Images 0 and 1 of a site are a normal one and an opacity.
    """
    if n_sites < 1 or n_images < 2 or seed < 0:
        seen = f"n_sites {n_sites}, n_images {n_images}, seed {seed}"
        raise ConfigError(f"{seen}; the minimum is 1, 2 and 0")
    homes = [folder / f"site-{site}" for site in range(1, n_sites + 1)]
    for home in homes:
        if home.exists() and (not home.is_dir() or any(home.iterdir())):
            raise ConfigError(f"{home} exists and is not empty", data="nothing was written")
    for site, home in enumerate(homes, start=1):
        write_hospital(home, site, n_images, seed)
    return homes


def write_hospital(home: Path, site: int, n_images: int, seed: int) -> None:
    """Write one hospital's images, labels and site file into `home`."""
    look = LOOKS[(site - 1) % len(LOOKS)]
    home.mkdir(parents=True, exist_ok=True)
    SiteFolder(home).site_file.write_text(SITE_FILE.format(site=home.name), encoding="utf-8")
    with (home / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        rows = CsvWriter(file)
        rows.row(("sop_instance_uid", "patient_id", "finding", "sex", "age"))
        for shot in invent_shots(site, n_images, seed):
            picture = draw(shot, look, np.random.default_rng([seed, site, 1, shot.number]))
            image = describe(shot, look, site, seed)
            embed(image, picture, look)
            study = home / "dicom" / image.PatientID / f"study-{shot.follow_up + 1}.dcm"
            study.parent.mkdir(parents=True, exist_ok=True)
            image.save_as(study, enforce_file_format=True)
            about = (shot.finding, shot.patient.sex, shot.patient.age + shot.follow_up)
            rows.row((image.SOPInstanceUID, image.PatientID, *about))


def invent_shots(site: int, n_images: int, seed: int) -> Iterator[Shot]:
    """Invent patients until their images make `n_images`."""
    n_shots = n_patients = 0
    while n_shots < n_images:
        rng = np.random.default_rng([seed, site, 0, n_patients])
        patient = invent_patient(n_patients, rng)
        changes = rng.random(patient.n_images) < P_CHANGE
        for follow_up in range(min(patient.n_images, n_images - n_shots)):
            is_ill = (patient.finding == "opacity") != (follow_up > 0 and changes[follow_up])
            yield Shot(n_shots, patient, follow_up, FINDINGS[int(is_ill)])
            n_shots += 1
        n_patients += 1


def invent_patient(number: int, rng: np.random.Generator) -> Patient:
    """Invent a body; patients 0 and 1 have one image each, a normal one and an opacity."""
    n_images, finding = int(rng.choice(3, p=(0.55, 0.3, 0.15))) + 1, int(rng.random() < PREVALENCE)
    if number < len(FINDINGS):
        n_images, finding = 1, number
    age = int(np.clip(rng.normal(58, 16), 18, 89))
    return Patient(
        number=number, n_images=n_images, finding=FINDINGS[finding],
        sex="F" if rng.random() < 0.48 else "M", age=age,
        width=rng.uniform(0.78, 0.94), lung=(rng.uniform(0.25, 0.31), rng.uniform(0.52, 0.68)),
        heart=rng.uniform(0.26, 0.36) + 0.001 * (age - 58),
        centre=(rng.uniform(-0.06, 0.06), rng.uniform(-0.12, 0.04)), n_ribs=rng.uniform(5.0, 6.5),
    )  # fmt: skip


def draw(shot: Shot, look: Look, rng: np.random.Generator) -> Picture:
    """Draw (H, W) in 0..1: the chest, what lies over it, the opacity, exposure, noise, SYN."""
    (height, width), half = look.shape, min(look.shape) / 2
    y, x = np.mgrid[:height, :width].astype(np.float32)
    grid = ((x - width / 2) / half, (y - height / 2) / half)
    picture, lungs = draw_chest(shot.patient, grid, rng)
    if shot.finding == "opacity":
        picture += draw_opacity(shot.patient, grid, rng) * (0.25 + 0.75 * lungs)
    picture += draw_distractors(grid, rng)
    picture = rng.uniform(0.82, 1.15) * np.clip(picture, 0, 1.2) ** rng.uniform(0.8, 1.3)
    picture += rng.uniform(-0.06, 0.06) * grid[0] + rng.uniform(-0.06, 0.06) * grid[1]
    grain = rng.normal(0, look.noise, look.shape)
    picture += grain * np.sqrt(np.clip(2 * picture, 0.1, 2))
    picture[3:8, 3:15][SYN] = 1
    return np.clip(picture, 0, 1).astype(np.float32)


def draw_chest(patient: Patient, grid: Grid, rng: np.random.Generator) -> tuple[Picture, Picture]:
    """Draw a chest in 0..1, and where its lungs are, 0 outside .. 1 inside; the breath varies."""
    x = grid[0] - patient.centre[0] + np.float32(rng.normal(0, 0.02))
    y = grid[1] - patient.centre[1] + np.float32(rng.normal(0, 0.02))
    trunk = edge(1 - (abs(x) / patient.width) ** 4 - (abs(y - 0.5) / 1.25) ** 4, 0.06)
    body = np.maximum(trunk, edge(0.24 - abs(x), 0.02) * edge(-0.4 - y, 0.05))
    wide, tall = patient.lung
    dome = 0.42 * tall + 0.3 + rng.normal(0, 0.03) - 0.1 * np.sign(x) * edge(abs(x) - 0.1, 0.05)
    tapered = (abs(x) - 0.43 - 0.12 * np.minimum(y, 0.5)) / (wide * (1 + 0.35 * y))
    lungs = edge(1 - tapered**2 - (y / (tall + 0.12)) ** 2, 0.08)
    lungs *= edge(dome + 1.2 * (abs(x) - 0.42) ** 2 - y, 0.02)
    heart = bump(grid=(x, y), centre=(0.13, 0.28), size=(patient.heart, 0.26), power=4)
    ribs = (0.5 + 0.5 * np.cos(2 * np.pi * patient.n_ribs * (y + 0.5 * (abs(x) - 0.15) ** 2))) ** 3
    collar = np.exp(-(((y + 0.58 * tall + 0.35 * abs(x)) / 0.035) ** 2)) * edge(0.6 - abs(x), 0.03)
    picture = body * (0.62 - 0.44 * lungs * (1 - 0.85 * heart))
    picture += body * (0.1 * np.exp(-((x / 0.11) ** 2)) + 0.07 * collar)
    picture += 0.055 * ribs * edge(0.75 - abs(x), 0.05) * edge(dome - y, 0.05) * body
    for side in (-1, 1):
        picture += 0.12 * bump((x, y), (side * 0.2, 0.02), (0.09, 0.16)) * body
        if patient.sex == "F":
            picture += 0.06 * bump((x, y), (side * 0.42, 0.4), (0.26, 0.24), power=4) * body
    return picture + 0.03 * body * draw_texture(grid, rng), lungs


def draw_opacity(patient: Patient, grid: Grid, rng: np.random.Generator) -> Picture:
    """Draw one or two soft bright blobs, each centred inside a lung."""
    opacity = np.zeros_like(grid[0])
    for _ in range(1 + int(rng.random() < 0.45)):
        angle, radius = rng.uniform(0, 2 * np.pi), 0.7 * np.sqrt(rng.random())
        x = patient.centre[0] + rng.choice((-1, 1)) * 0.45
        x += radius * np.cos(angle) * patient.lung[0]
        y = patient.centre[1] - 0.05 + radius * np.sin(angle) * patient.lung[1] * 0.8
        size = rng.uniform(0.13, 0.27) * rng.uniform(0.75, 1.3, 2)
        opacity += rng.uniform(0.2, 0.45) * bump(grid, (x, y), (size[0], size[1]), power=2.5)
    return opacity


def draw_distractors(grid: Grid, rng: np.random.Generator) -> Picture:
    """Draw small bright spots and thin tubes, which say nothing about the finding."""
    extra = np.zeros_like(grid[0])
    for _ in range(rng.integers(0, 4)):
        size = rng.uniform(0.015, 0.04)
        spot = bump(grid, (rng.uniform(-0.8, 0.8), rng.uniform(-0.8, 0.8)), (size, size))
        extra += rng.uniform(0.1, 0.3) * spot
    for _ in range(rng.integers(0, 2)):
        start, slope, bend = rng.uniform(-0.5, 0.5), rng.normal(0, 0.25), rng.normal(0, 0.3)
        way = start + slope * grid[1] + bend * grid[1] ** 2
        end = edge(rng.uniform(-0.3, 0.9) - grid[1], 0.02)
        extra += rng.uniform(0.06, 0.2) * np.exp(-(((grid[0] - way) / 0.018) ** 2)) * end
    return extra


def draw_texture(grid: Grid, rng: np.random.Generator) -> Picture:
    """Draw a smooth random field of standard deviation about 1: vessels and soft tissue."""
    pace, phase = rng.normal(0, 7, (12, 2)), rng.uniform(0, 2 * np.pi, (12, 1, 1))
    turns = np.tensordot(pace.astype(np.float32), np.stack(grid), 1) + phase.astype(np.float32)
    return np.asarray(np.sin(turns).sum(axis=0) / np.sqrt(6), dtype=np.float32)


def edge(inside: Picture, softness: float) -> Picture:
    """Turn a signed distance into 0 (outside) .. 1 (inside) over about `softness`."""
    return np.asarray(1 / (1 + np.exp(np.clip(-inside / softness, -30, 30))))


def bump(grid: Grid, centre: Point, size: Point, power: float = 2) -> Picture:
    """Draw a soft ellipse, 1 at its centre; a higher power gives a flatter top."""
    x, y = (grid[0] - centre[0]) / size[0], (grid[1] - centre[1]) / size[1]
    return np.asarray(np.exp(-((x**2 + y**2) ** (power / 2))))


def describe(shot: Shot, look: Look, site: int, seed: int) -> Dataset:
    """Fill in the header but the pixels; dates are fixed and UIDs follow the seed."""
    patient = shot.patient
    entropy = f"medfl phantom|{seed}|{site}|{shot.number}|"
    image = Dataset()
    for keyword, value in HEADER.items():
        setattr(image, keyword, value)
    image.SOPClassUID = DX_STORAGE if look.modality == "DX" else CR_STORAGE
    for level in ("Study", "Series", "SOP"):
        setattr(image, f"{level}InstanceUID", uid.generate_uid(entropy_srcs=[entropy + level]))
    image.PatientID = f"SYN-{site}-{patient.number:04d}"
    image.PatientSex, image.PatientAge = patient.sex, f"{patient.age + shot.follow_up:03d}Y"
    image.StudyDate = f"{2020 + shot.follow_up}0101"
    image.Modality, image.Manufacturer = look.modality, look.manufacturer
    return image


def embed(image: Dataset, picture: Picture, look: Look) -> None:
    """Put the image into the dataset: pixels, rescale and the windows that show black..white."""
    top, bias = 2**look.bits_stored - 1, look.is_signed * 2 ** (look.bits_stored - 1)
    low, high = look.fill
    light = 1 - picture if look.is_inverted else picture
    kind = "int16" if look.is_signed else "uint8" if look.bits_stored <= 8 else "uint16"
    pixels = (np.rint((low + (high - low) * light) * top) - bias).astype(kind)
    low, high = (look.slope * (part * top - bias) + look.intercept for part in look.fill)
    image.RescaleSlope, image.RescaleIntercept = look.slope, look.intercept
    image.WindowCenter = [round((low + high) / 2, 1) for _ in look.windows]
    image.WindowWidth = [round((high - low) * window, 1) for window in look.windows]
    image.PresentationLUTShape = "INVERSE" if look.is_inverted else "IDENTITY"
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = look.syntax
    mono = "MONOCHROME1" if look.is_inverted else "MONOCHROME2"
    image.set_pixel_data(pixels, mono, look.bits_stored, generate_instance_uid=False)
    if look.syntax == uid.RLELossless:
        image.compress(look.syntax, encoding_plugin="pydicom", generate_instance_uid=False)
    elif look.syntax == uid.JPEG2000Lossless:  # pydicom's encoder wants one more package for this
        image.PixelData = encapsulate([encode_array(pixels, look.bits_stored)])
        image["PixelData"].VR, image.file_meta.TransferSyntaxUID = "OB", look.syntax
