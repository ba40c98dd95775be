"""A site of small volumes with DICOM SEG masks, and a model that has learnt nothing."""

from pathlib import Path

import numpy as np
import yaml
from tests.masks import mask_plan
from tests.unit.client.masks.mask_files import PLACES, SIDE, first_pixel, write_seg
from tests.unit.client.test_series import AXIAL, write_slice

from medfl_common.models import build_model
from medfl_common.models.weights import shared_weights
from medfl_common.plan.plan import Plan
from medfl_common.run.model_file import Reading, save_model

SITE = {
    "site": "here",
    "data": {"folder": "dicom", "labels_from": "masks", "masks": {"names": {"LUNG": "lung"}}},
    "policy": {"min_images": 1, "min_cell": 1},
}
VOLUMES: dict[str, object] = {
    "modality": ["CT"], "sample": "series", "dimensions": 3, "size": 16, "depth": 8,
    "intensity": {"rule": "fixed", "centre": 0, "width": 1000},
}  # fmt: skip
PATCHES = {**VOLUMES, "size": 32, "depth": 16, "spacing_mm": 1.0, "slice_mm": 5.0,
           "patch": {"size": 16, "depth": 8}}  # fmt: skip


def small_plan(**changes: object) -> Plan:
    task = {"classes": ["background", "lung"]}
    values = mask_plan("unet", images={**VOLUMES, **changes}, task=task).model_dump()
    values["model"] |= {"width": 4, "levels": 2}
    return Plan.model_validate(values)


def write_site(folder: Path, n: int = 4, name: str = "LUNG") -> Path:
    """Write volumes of n patients, each with a square of another size as its mask."""
    for i in range(n):
        own = folder / "dicom" / f"p{i}"
        facts = {"PatientID": f"P{i}", "StudyInstanceUID": f"1.2.{i}",
                 "FrameOfReferenceUID": f"1.4.{i}"}  # fmt: skip
        frames = []
        for k, place in enumerate(PLACES):
            series = {"SeriesInstanceUID": f"1.3.{i}", "SOPInstanceUID": f"1.9.{i}.{k}"}
            write_slice(own / f"{k}.dcm", place, AXIAL, SIDE, i + 1, **series, **facts)
            square = np.zeros((SIDE, SIDE), dtype=np.uint8)
            square[4 : 8 + i, 4:12] = 1
            frames.append((1, first_pixel(place), square))
        write_seg(own / "seg.dcm", frames[2:7], {1: name}, SOPInstanceUID=f"1.8.{i}",
                  SeriesInstanceUID=f"1.7.{i}", **facts)  # fmt: skip
    (folder / "site.yaml").write_text(yaml.safe_dump(SITE))
    return folder


def write_model(folder: Path, plan: Plan) -> Path:
    save_model(folder, plan, shared_weights(build_model(plan)), Reading(0.5))
    return folder
