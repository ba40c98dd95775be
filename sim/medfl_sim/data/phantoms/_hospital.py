"""Parts of every kind of synthetic hospital: people, headers, the stamp, labels, site file."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

from medfl_client.config.folder import SiteFolder
from medfl_common.errors import ConfigError
from medfl_common.ui.spreadsheet import CsvWriter
from medfl_sim.data.radiograph import HEADER, SYN, Picture

OF_A_RADIOGRAPH = {
    "PresentationIntentType", "BodyPartExamined", "ViewPosition", "PatientOrientation",
    "RescaleType",
}  # fmt: skip
EVERYWHERE = {name: value for name, value in HEADER.items() if name not in OF_A_RADIOGRAPH}
SITE_FILE = """\
site: {site:<32}# the hospital's name in logs and reports
data:
  folder: dicom                       # where the DICOM files are; sub-folders are searched too
  labels: labels.csv                  # first line = column names
  join: {join:<30}# the DICOM tag that ties images to a row
  join_column: {join_column:<23}# the column of labels.csv that holds this tag's value
  label_column: {label_column:<22}# the column of labels.csv that holds the answer
"""

POLICY = """\
policy:
  min_images: 10                        # no phantom identifies anybody; leave these two
  min_cell: 3                           # as they are (20 and 10) in a real study
"""
POLICY_OF_FEW = """\
policy:
  min_images: 10                        # no phantom identifies anybody: 20 and 10 in a real
  min_cell: 1                           # study; few of 20 patients are without a tumour
"""


@dataclass(frozen=True)
class Person:
    """One invented patient."""

    number: int  # from 0, within the site
    sex: str  # F or M
    age: int  # years


@dataclass(frozen=True)
class Origin:
    """The seed, kind and site that determine every random draw and UID of one hospital."""

    kind: str
    site: int  # from 1
    seed: int

    def rng(self, purpose: int, *numbers: int) -> np.random.Generator:
        """Give the generator of one thing; no other thing changes it."""
        return np.random.default_rng([self.seed, self.site, purpose, *numbers])

    def uid(self, level: str, *numbers: int) -> uid.UID:
        """Give the UID of a study, series, image or frame of reference."""
        text = f"medfl phantom {self.kind}|{self.seed}|{self.site}|{level}|{numbers}"
        return uid.generate_uid(entropy_srcs=[text])


@dataclass(frozen=True)
class Case:
    """Images of one acquisition, and their rows of labels.csv."""

    images: list[Dataset]
    rows: list[tuple[object, ...]]


@dataclass(frozen=True)
class LabelFile:
    """How labels.csv is read."""

    join: str  # the tag that the first column holds
    columns: tuple[str, ...]
    label_column: str
    more: str = ""  # further lines of the site file's data section


# (one hospital, least number of samples) -> its cases
Invent = Callable[[Origin, int], Iterator[Case]]


def write_hospitals(
    folder: Path, origins: list[Origin], n_samples: int, labels: LabelFile, invent: Invent
) -> list[Path]:
    """Write a hospital for each origin; return the site folders.

    Each has `dicom/PATIENT/study-N/SERIES-IMAGE.dcm`, `labels.csv` and `site.yaml`.
    """
    homes = claim_homes(folder, origins, n_samples)
    for origin, home in zip(origins, homes, strict=True):
        _write_hospital(home, labels, invent(origin, n_samples))
    return homes


def claim_homes(folder: Path, origins: list[Origin], n_samples: int) -> list[Path]:
    """Name each hospital's folder; refuse what cannot be made, and folders that hold something."""
    seed = min((origin.seed for origin in origins), default=0)
    if not origins or n_samples < 2 or seed < 0:
        seen = f"n_sites {len(origins)}, n_samples {n_samples}, seed {seed}"
        raise ConfigError(f"{seen}; the minimum is 1, 2 and 0")
    homes = [folder / f"site-{origin.site}" for origin in origins]
    for home in homes:
        if home.exists() and (not home.is_dir() or any(home.iterdir())):
            raise ConfigError(f"{home} exists and is not empty", data="nothing was written")
    return homes


def origins_of(kind: str, n_sites: int, seed: int) -> list[Origin]:
    """Number the hospitals of one kind from 1."""
    return [Origin(kind, site, seed) for site in range(1, n_sites + 1)]


def _write_hospital(home: Path, labels: LabelFile, cases: Iterable[Case]) -> None:
    home.mkdir(parents=True, exist_ok=True)
    text = SITE_FILE.format(
        site=home.name,
        join=labels.join,
        join_column=labels.columns[0],
        label_column=labels.label_column,
    )
    SiteFolder(home).site_file.write_text(text + labels.more + POLICY, encoding="utf-8")
    with (home / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        table = CsvWriter(file)
        table.row(labels.columns)
        for case in cases:
            table.rows(case.rows)
            for image in case.images:
                save(image, home / "dicom")


def save(image: Dataset, folder: Path) -> None:
    """Save a file of a patient by its study, series and number."""
    study = folder / str(image.PatientID) / f"study-{image.StudyID}"
    study.mkdir(parents=True, exist_ok=True)
    name = f"{image.SeriesNumber}-{int(image.InstanceNumber):03d}.dcm"
    image.save_as(study / name, enforce_file_format=True)


def invent_person(
    number: int, rng: np.random.Generator, age: tuple[float, float], p_female: float = 0.5
) -> Person:
    """Invent a patient; `age` is mean and standard deviation in years, kept to 18..89."""
    years = int(np.clip(rng.normal(*age), 18, 89))
    return Person(number, "F" if rng.random() < p_female else "M", years)


def describe(
    origin: Origin, person: Person, place: tuple[int, int, int], own: dict[str, object]
) -> Dataset:
    """Fill in a header but the pixels; dates are fixed and UIDs follow the seed.

    Args:
        origin: The hospital.
        person: The patient of the image.
        place: Numbers of study, series and image, each from 1.
        own: Further elements of this kind of image, keyword -> value.
    """
    study, series, instance = place
    image = Dataset()
    for keyword, value in {**EVERYWHERE, **own}.items():
        setattr(image, keyword, value)
    image.StudyInstanceUID = origin.uid("study", person.number, study)
    image.SeriesInstanceUID = origin.uid("series", person.number, study, series)
    image.SOPInstanceUID = origin.uid("image", person.number, *place)
    image.PatientID = f"SYN-{origin.site}-{person.number:04d}"
    image.PatientSex, image.PatientAge = person.sex, f"{person.age:03d}Y"
    image.StudyDate = f"{2019 + study}0101"
    image.StudyID, image.SeriesNumber, image.InstanceNumber = str(study), series, instance
    return image


def put_pixels(
    image: Dataset, pixels: NDArray[np.integer], photometric: str, bits: int, syntax: uid.UID
) -> None:
    """Put stored values, (H, W) or (H, W, 3), into the dataset, uncompressed."""
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = syntax
    image.set_pixel_data(pixels, photometric, bits, generate_instance_uid=False)


def stamp(image: NDArray[np.generic], value: float, at_right: bool = False) -> None:
    """Burn SYN into an upper corner of (..., H, W), in place."""
    height, width = SYN.shape
    left = image.shape[-1] - width - 3 if at_right else 3
    image[..., 3 : 3 + height, left : left + width][..., SYN] = value


def blur(image: Picture, *sigmas: float) -> Picture:
    """Blur the last axes by a Gaussian each; sigmas in pixels, > 0, for axes -len(sigmas)..-1."""
    for axis, sigma in zip(range(-len(sigmas), 0), sigmas, strict=True):
        place = np.arange(image.shape[axis], dtype=np.float32)
        weights = np.exp(-(((place[:, None] - place) / sigma) ** 2) / 2)
        weights /= weights.sum(axis=1, keepdims=True)
        image = np.moveaxis(np.moveaxis(image, axis, -1) @ weights.T, -1, axis)
    return image
