"""What is in the folder of a synthetic hospital."""

import csv
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from tests.conftest import MakePlan

from medfl_client.config.site_file import load_site_file
from medfl_client.data.ingest import Collection, collect
from medfl_common.plan.plan import Plan, load_plan

NEW = ("brain-mr", "fundus", "lung-ct", "mammography")
MASKED = ("lung-fields", "organ-ct")  # labels are masks
BOXED = ("chest-nodules", "lesion-ct")  # labels are boxes
N_SAMPLES = 10
GRADES = ["no_dr", "mild", "moderate", "severe", "proliferative"]
Hospitals = dict[str, list[Path]]


def read_images(home: Path) -> list[Dataset]:
    return [dcmread(path) for path in sorted((home / "dicom").rglob("*.dcm"))]


def read_rows(home: Path) -> list[dict[str, str]]:
    with (home / "labels.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def read_bytes(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def ingest(home: Path, plan: Plan, state: Path) -> Collection:
    return collect(home, state, load_site_file(home).data, plan)


def plan_for(make_plan: MakePlan, task: dict[str, object], **images: object) -> Plan:
    return load_plan(make_plan(task=task, images=images))


def read_volumes(home: Path) -> dict[str, list[Dataset]]:
    """Give each series' slices in the order of their places."""
    series: dict[str, list[Dataset]] = {}
    for image in read_images(home):
        series.setdefault(image.SeriesInstanceUID, []).append(image)
    for slices in series.values():
        slices.sort(key=lambda image: float(image.ImagePositionPatient[2]))
    return series


def hounsfield_at(slices: list[Dataset], point: list[float]) -> float:
    """Read the voxel at x, y, z by DICOM's own equation (PS3.3 C.7.6.2.1.1)."""
    first = slices[0]
    corner = np.array(first.ImagePositionPatient, dtype=float)
    row, column = np.array(first.ImageOrientationPatient, dtype=float).reshape(2, 3)
    across, down = (np.array(point) - corner) @ np.array([row, column]).T / first.PixelSpacing[0]
    heights = [float(image.ImagePositionPatient[2]) for image in slices]
    nearest = slices[int(np.argmin(np.abs(np.array(heights) - point[2])))]
    stored = nearest.pixel_array[round(float(down)), round(float(across))]
    return float(stored) * nearest.RescaleSlope + nearest.RescaleIntercept


def place_of(row: dict[str, str]) -> list[float]:
    return [float(row[name]) for name in ("coordX", "coordY", "coordZ")]
