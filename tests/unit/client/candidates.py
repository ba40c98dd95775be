"""A series with a bright ball in it, as files stored in any order and direction."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from tests.unit.client.test_series import AXIAL

from medfl_client.data.dicom import patch
from medfl_client.data.dicom.patch import Position
from medfl_common.plan.images import Images

BALL = (11.0, -7.5, 22.0)  # where it lies in the patient
FIRST = np.array([-30.0, -35.0, 0.0])  # least x, y and z of a pixel's centre
N, SLICES = 64, 20  # pixels on a side, slices
ACROSS, DOWN, STEP = 0.8, 1.1, 2.5  # mm along x, y and z
RULE = {"rule": "fixed", "centre": 0, "width": 1000}
IMAGES = {
    "modality": ["CT"], "sample": "candidate", "dimensions": 3, "size": 17, "depth": 9,
    "spacing_mm": 1.0, "slice_mm": 2.0, "intensity": RULE,
}  # fmt: skip
SITE = """\
site: lungs
data:
  folder: dicom
  labels: candidates.csv
  join: SeriesInstanceUID
  join_column: seriesuid
  label_column: class
  values: {"0": normal, "1": nodule}
  position_columns: [coordX, coordY, coordZ]
  max_damaged: 0
policy: {min_images: 1, min_cell: 1}
"""
NO_VOLUME = {"dimensions": 2, "depth": None, "slice_mm": None}
HEADER = "seriesuid,coordX,coordY,coordZ,class"


def body(balls: tuple[Position, ...], seed: int) -> NDArray[np.int16]:
    """Give (z, y, x) Hounsfield units: noise, and round balls that are brightest in the middle."""
    z, y, x = np.meshgrid(
        FIRST[2] + np.arange(SLICES) * STEP,
        FIRST[1] + np.arange(N) * DOWN,
        FIRST[0] + np.arange(N) * ACROSS,
        indexing="ij",
    )
    values = np.random.default_rng(seed).normal(-300, 5, z.shape)
    for ball in balls:
        far = (x - ball[0]) ** 2 + (y - ball[1]) ** 2 + (z - ball[2]) ** 2
        values += 600 * np.exp(-far / (2 * 4.0**2))
    return np.rint(values).astype(np.int16)


def write_ct(
    folder: Path,
    uid: str,
    patient: str,
    balls: tuple[Position, ...] = (BALL,),
    orientation: tuple[float, ...] = AXIAL,
    seed: int = 0,
) -> list[Path]:
    """Write a series of files in no order; `orientation` says which way it is stored."""
    values, paths = body(balls, seed), []
    step = np.array([ACROSS, DOWN])
    to_right, to_front = orientation[0] < 0, orientation[4] < 0
    for name, k in enumerate(np.random.default_rng(9).permutation(SLICES)):
        corner = np.array([to_right, to_front]) * step * (N - 1)
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID, dataset.Modality, dataset.PatientID = CTImageStorage, "CT", patient
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID = uid, f"{uid}.1"
        ways = (slice(None, None, -1 if back else 1) for back in (to_front, to_right))
        stored = values[k][tuple(ways)] + 1024
        dataset.set_pixel_data(np.ascontiguousarray(stored.astype(np.uint16)), "MONOCHROME2", 12)
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
        dataset.PixelSpacing = [DOWN, ACROSS]
        dataset.ImageOrientationPatient = list(orientation)
        dataset.ImagePositionPatient = [*(FIRST[:2] + corner), FIRST[2] + int(k) * STEP]
        paths.append(folder / f"{name}.dcm")
        folder.mkdir(parents=True, exist_ok=True)
        dataset.save_as(paths[-1], enforce_file_format=True)
    return paths


def files_of(paths: list[Path]) -> patch.Files:
    return tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in paths)


def images(**changes: object) -> Images:
    return Images.model_validate({**IMAGES, **changes}, strict=False)
