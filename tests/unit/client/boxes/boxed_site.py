"""A site of small pictures with a list of boxes, and what is read of it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml
from tests.unit.client.pixel_files import write

from medfl_client.config.site_file import DataFiles, SiteFile
from medfl_client.data.boxes.listed import Entry, in_list
from medfl_client.data.ingest import Collection, collect
from medfl_common.plan.plan import Plan
from medfl_common.plan.settings import loads

HEIGHT, WIDTH = 48, 64
PLAN = """\
plan: 1
study: boxes
seed: 3
task: {type: detection, classes: [mass, nodule]}
images: {modality: [CT], size: 32, intensity: {rule: fixed, centre: 500, width: 1000}}
model: {name: unet, width: 4, levels: 2}
federation: {rounds: 1}
evaluation: {validation: 0.25, test: 0}
"""
COLUMNS = "image,what,x0,y0,x1,y1\n"
CSV: dict[str, object] = {
    "file": "boxes.csv", "image_column": "image", "class_column": "what",
    "columns": ["x0", "y0", "x1", "y1"],
}  # fmt: skip
Box = tuple[int, int, int, int]  # x0, y0, x1, y1


def box_plan(**sections: dict[str, object]) -> Plan:
    values = yaml.safe_load(PLAN)
    for section, changes in sections.items():
        values[section] = {**values.get(section, {}), **changes}
    return Plan.model_validate(values)


def write_picture(site: Path, name: str, *boxes: Box, **tags: object) -> Path:
    """Write a noisy picture of a patient of its own in which boxes are bright."""
    seed = sum(name.encode())
    pixels = np.random.default_rng(seed).integers(0, 200, (HEIGHT, WIDTH), np.int16)
    for x0, y0, x1, y1 in boxes:
        pixels[y0:y1, x0:x1] += 600
    path = site / "images" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {"PatientID": f"P{name}", "SOPInstanceUID": f"1.9.{seed}", "SeriesInstanceUID": "1.3"}
    return write(path, pixels, **{**facts, **tags})


def settings(**boxes: object) -> DataFiles:
    site = {"site": "here", "data": {"folder": "images", "labels_from": "boxes",
                                     "boxes": {**CSV, **boxes}}}  # fmt: skip
    return loads(SiteFile, yaml.safe_dump(site), "site.yaml").data


def write_site(folder: Path, lines: Sequence[str], n: int = 4, **boxes: object) -> Path:
    """Write n pictures, p0.dcm and so on, a list of boxes of these lines, and the site file."""
    for i in range(n):
        write_picture(folder, f"p{i}.dcm")
    (folder / "boxes.csv").write_text(COLUMNS + "".join(f"{line}\n" for line in lines))
    data = settings(**boxes).model_dump(exclude_defaults=True, mode="json")
    policy = {"min_images": 1, "min_cell": 1}
    text = yaml.safe_dump({"site": "here", "data": data, "policy": policy})
    (folder / "site.yaml").write_text(text)
    return folder


def read(site: Path, plan: Plan | None = None, **boxes: object) -> Collection:
    return collect(site, site / "state", settings(**boxes), plan or box_plan())


def fault_of(entry: Entry) -> str:
    """Give the first fault of an image, or of a box of it."""
    wrong = [in_list(one.where, one.fault) for one in entry.findings if one.fault]
    return entry.fault or "".join(wrong[:1])


def found_in(collection: Collection) -> dict[str, list[list[float]]]:
    """Give each file's boxes in the input of 32 x 32 pixels, to a tenth."""
    assert collection.boxes is not None
    return {
        sample.row.name: np.round(own.astype(float), 1).tolist()
        for sample, own in zip(collection.samples, collection.boxes, strict=True)
    }
