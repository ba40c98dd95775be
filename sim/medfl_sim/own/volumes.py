"""Own volumes as NIfTI files and a list of labels, which medfl reads as any."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfl_common.errors import ConfigError
from medfl_common.ui.spreadsheet import csv_text

SOURCE = "nifti"  # the format of the folder
LABELS = "labels.csv"
Volume = tuple[NDArray[np.float32], NDArray[np.float64]]  # (columns, rows, slices), affine


def volumes_of(images: Sequence[Any], spacing_mm: Sequence[float]) -> list[Volume]:
    """Turn volumes into NIfTI's axes: to the right, to the front, to the head.

    A volume with an `affine`, as MONAI's have, keeps its axes and this: (1, X, Y, Z) or (X, Y, Z).
    Others are (D, H, W) or (1, D, H, W): slices to the head, rows to the back, columns to the left.
    """
    return [_volume(image, i, spacing_mm) for i, image in enumerate(images)]


def write_volumes(
    folder: Path, volumes: Sequence[Volume], labels: Sequence[list[int]], patients: Sequence[str]
) -> None:
    """Write a file for each volume into `folder`, and the list of labels beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{i:06d}.nii.gz" for i in range(len(volumes))]
    for name, (values, affine) in zip(names, volumes, strict=True):
        to_nifti(values, affine, folder / name)
    of_each = zip(names, patients, labels, strict=True)
    rows = [(name, patient or name, label) for name, patient, (label,) in of_each]
    table = csv_text([("file", "patient", "label"), *rows])
    (folder.parent / LABELS).write_text(table, encoding="utf-8", newline="")


def to_nifti(values: NDArray[Any], affine: NDArray[np.float64], path: Path) -> None:
    """Write one file."""
    try:
        nibabel: Any = import_module("nibabel")
    except ImportError:
        raise ConfigError(
            "own volumes and masks need nibabel", todo="pip install nibabel"
        ) from None
    nibabel.Nifti1Image(values, affine).to_filename(path)


def csv_keys() -> dict[str, str]:
    """Say in a site file how the list of labels is read."""
    return {
        "labels_from": "csv", "labels": LABELS, "join": "path", "join_column": "file",
        "label_column": "label", "patient_column": "patient",
    }  # fmt: skip


def _volume(image: Any, i: int, spacing_mm: Sequence[float]) -> Volume:
    own = getattr(image, "affine", None)
    values = np.asarray(image, dtype=np.float32)
    values = values[0] if values.ndim == 4 and len(values) == 1 else values
    if values.ndim != 3 or not np.isfinite(values).all():
        raise ConfigError(f"volume {i} is {values.shape}, not (D, H, W) of finite numbers")
    if own is not None:
        return values, np.asarray(own, dtype=np.float64).reshape(4, 4)
    step, down, across = spacing_mm
    return values[:, ::-1, ::-1].transpose(2, 1, 0), np.diag([across, down, step, 1.0])
