"""A disk may keep accents apart from their letters, where a list has them in one."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from tests.boxes import box_plan
from tests.conftest import MakePlan
from tests.masks import mask_plan

from medfl_client.config.site_file import DataFiles
from medfl_client.data.ingest import collect
from medfl_common.plan.plan import load_plan
from medfl_sim.data.sources import SOURCES

NAMES = [f"Röntgen-Müller{i}" for i in range(2)]
WORDS = {
    "csv": {"labels": "list.csv", "join": "path", "join_column": "file", "label_column": "class"},
    "boxes": {
        "labels_from": "boxes",
        "boxes": {
            "file": "list.csv", "image_column": "file", "class_column": "class",
            "columns": ["x0", "y0", "x1", "y1"],
        },
    },
    "masks": {
        "labels_from": "masks",
        "masks": {"folder": "Masken", "names": {"1": "bright", "0": "background"}},
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", [*WORDS])
def test_a_name_joins_in_either_spelling(kind: str, tmp_path: Path, make_plan: MakePlan) -> None:
    from PIL import Image

    lines = ["file,class,x0,y0,x1,y1"]
    for folder in ("images", "Masken"):
        (tmp_path / folder).mkdir()
    for i, name in enumerate(NAMES):
        apart = unicodedata.normalize("NFD", name)
        pixels = np.random.default_rng(i).integers(0, 255, (30, 30), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"images/{apart}.png")
        Image.fromarray(np.uint8(np.eye(30))).save(tmp_path / f"Masken/{name}.png")
        lines.append(f"{name}.png,bright,2,2,9,9")
    (tmp_path / "list.csv").write_text("\n".join(lines), encoding="utf-8")
    images = {"modality": ["OT"], "size": 24}
    plans = {
        "csv": lambda: load_plan(make_plan(images=images, task={"classes": ["dark", "bright"]})),
        "boxes": lambda: box_plan(images=images, task={"classes": ["bright"]}),
        "masks": lambda: mask_plan(images=images, task={"classes": ["background", "bright"]}),
    }
    data = DataFiles.model_validate({"folder": "images", **WORDS[kind]})

    found = collect(
        tmp_path, tmp_path / "state", data, plans[kind](), reader=SOURCES.get("pictures")()
    )

    assert len(found.samples) == len(NAMES)
