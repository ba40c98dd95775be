"""Pictures name nobody; a site can say that their folders do."""

from pathlib import Path

import numpy as np
import pytest
from tests.boxes import box_plan
from tests.masks import mask_plan

from medfl_client.config.site_file import DataFiles
from medfl_client.data.ingest import Collection, collect
from medfl_client.data.site_data import site_data
from medfl_common.plan.plan import Plan
from medfl_sim.data.sources import SOURCES

N_PATIENTS, N_IMAGES = 12, 3


def folders(path: Path) -> Path:
    """Write a folder of pictures and masks for each patient, and one list of boxes."""
    from PIL import Image

    rng, lines = np.random.default_rng(0), ["file,class,x0,y0,x1,y1"]
    for patient in range(N_PATIENTS):
        (path / f"images/P{patient:02}").mkdir(parents=True)
        for i in range(N_IMAGES):
            name, image = f"P{patient:02}/{i}", rng.integers(0, 90, (30, 30), dtype=np.uint8)
            mask = np.zeros_like(image)
            mask[5:15, 5:15] = 1
            Image.fromarray(np.where(mask, 220, image)).save(path / f"images/{name}.png")
            Image.fromarray(mask).save(path / f"images/{name}_mask.png")
            lines.append(f"{name}.png,mass,5,5,15,15")
    (path / "boxes.csv").write_text("\n".join(lines))
    return path


MASKS = {"labels_from": "masks", "masks": {"suffix": "_mask", "names": {"1": "bright"}}}
BOXES = {
    "labels_from": "boxes",
    "boxes": {
        "file": "boxes.csv", "image_column": "file", "class_column": "class",
        "columns": ["x0", "y0", "x1", "y1"], "names": {"mass": "bright"},
    },
}  # fmt: skip


def read(path: Path, words: dict[str, object], plan: Plan, is_told: bool) -> Collection:
    data = DataFiles.model_validate({"folder": "images", "patient_from_folder": is_told, **words})
    return collect(path, path / "state", data, plan, reader=SOURCES.get("pictures")())


@pytest.mark.parametrize("kind", ["masks", "boxes"])
def test_a_patients_pictures_stay_in_one_part(kind: str, tmp_path: Path) -> None:
    where, images = folders(tmp_path), {"modality": ["OT"], "size": 24}
    if kind == "masks":
        plan = mask_plan(images=images, task={"classes": ["background", "bright"]})
    else:
        plan = box_plan(images=images, task={"classes": ["bright"]})
    words: dict[str, object] = MASKS if kind == "masks" else BOXES

    found, apart = (read(where, words, plan, is_told) for is_told in (True, False))

    assert len(set(found.patients)) == N_PATIENTS
    assert len(set(apart.patients)) == N_PATIENTS * N_IMAGES
    members = site_data(found, plan).members
    assert members is not None
    parts = [set(own) for own in members().values()]
    assert sum(map(len, parts)) == len(set.union(*parts)) == N_PATIENTS
    assert sum(bool(own) for own in parts) > 1
