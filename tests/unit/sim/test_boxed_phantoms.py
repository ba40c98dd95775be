"""Simulated hospitals whose labels are boxes: what medfl reads of them is what is listed."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tests.conftest import ROOT, SHARED
from tests.unit.sim.phantom_files import hounsfield_at, ingest, read_volumes

from medfl_client.data.dataset import SiteData
from medfl_common.plan.plan import Plan, load_plan
from medfl_sim.data.hospitals import read_hospitals, virtual_sites
from medfl_sim.data.phantoms import KINDS
from medfl_sim.data.scenario import Scenario
from medfl_sim.data.sources import SOURCES

N_PATIENTS = 3
TISSUE, LESION = 60, (0, 72)  # Hounsfield units: the plan's centre; a liver has 80 or more


@pytest.fixture(scope="module")
def livers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four hospitals with CT."""
    return KINDS.get("lesion-ct")(tmp_path_factory.mktemp("livers"), 4, N_PATIENTS, 3)


@pytest.fixture(scope="module")
def chests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hospitals with X-rays."""
    folder = tmp_path_factory.mktemp("chests")
    KINDS.get("chest-nodules")(folder, 2, 6, 3)
    return folder


def lines_of(home: Path) -> list[tuple[str, list[float]]]:
    """Give each listed lesion's CT, and its x, y, z and diameter."""
    rules = yaml.safe_load((home / "site.yaml").read_text())["data"]["boxes"]
    columns = [*rules["position_columns"], rules["diameter_column"]]
    with (home / "lesions.csv").open(newline="") as file:
        rows = [*csv.DictReader(file)]
    return [
        (row[rules["image_column"]], [float(row[column]) for column in columns])
        for row in rows
        if row[columns[0]]
    ]


def plan_of(name: str, **images: object) -> Plan:
    values = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text())
    values["images"] |= images
    return Plan.model_validate(values)


@pytest.mark.parametrize("name", ["chest-nodules", "lesion-ct", "blood-cells"])
def test_the_plans_are_detections(name: str) -> None:
    assert load_plan(ROOT / "configs" / f"{name}.yaml").task.has_boxes


def test_each_listed_lesion_lies_in_its_patient(livers: list[Path]) -> None:
    for home in livers[:3]:  # the fourth's slices are oblique
        join = yaml.safe_load((home / "site.yaml").read_text())["data"]["boxes"]["join"]
        volumes = {slices[0][join].value: slices for slices in read_volumes(home).values()}
        lesions = lines_of(home)

        assert len(lesions) >= 2
        for name, (*place, diameter) in lesions:
            assert 26 <= diameter <= 46
            around = [
                hounsfield_at(volumes[name], [place[0] + x, place[1] + y, place[2]])
                for x in (-5, 0, 5)
                for y in (-5, 0, 5)
            ]
            assert LESION[0] < np.mean(around) < LESION[1]


def test_medfl_takes_each_volume_and_finds_a_lesion_in_the_middle_of_each_box(
    livers: list[Path], tmp_path: Path
) -> None:
    plan = plan_of("lesion-ct")
    for home in livers:
        found = ingest(home, plan, tmp_path / home.name)

        assert len(found.samples) == N_PATIENTS
        assert found.refused == {}
        assert found.boxes is not None
        assert sum(map(len, found.boxes)) == len(lines_of(home))
        for row, boxes in zip(found.rows, found.boxes, strict=True):
            hounsfield = (found.pixels[row][0].astype(float) / 255 - 0.5) * 400 + TISSUE
            for kind, z, y, x, *sides in boxes:
                assert kind == 0
                assert all(4 < side < 10 for side in sides)
                ball = hounsfield[int(z), int(y - 1) : int(y + 2), int(x - 1) : int(x + 2)]
                assert LESION[0] < ball.mean() < LESION[1]


def test_pooled_hospitals_keep_each_images_boxes(chests: Path, tmp_path: Path) -> None:
    plan = plan_of("chest-nodules", size=64)
    own = virtual_sites(chests, plan)

    parts = virtual_sites(chests, plan, Scenario(partition={"kind": "iid", "sites": 3}))

    def seen(data: SiteData) -> list[tuple[bytes, bytes]]:
        pairs = []
        for part in ("train", "validation", "test"):
            images = getattr(data, part)
            if len(images):
                pixels, boxes = images.batch(torch.arange(len(images)))
                pairs += [
                    (one.numpy().tobytes(), box[~box[:, 0].isnan()].numpy().tobytes())
                    for one, box in zip(pixels, boxes, strict=True)
                ]
        return pairs

    alone = sorted(pair for site in own.values() for pair in seen(site.data(plan)))
    assert alone == sorted(pair for site in parts.values() for pair in seen(site.data(plan)))
    assert len(alone) == 12


def test_the_study_of_blood_cells_deals_pictures_with_boxes_and_leaves_out_a_click(
    tmp_path: Path,
) -> None:
    real = SHARED / "segmentation" / "bccd"
    if not real.is_dir():
        pytest.skip("no blood cells on this machine (../shared/data/segmentation/bccd)")
    clicked = "BloodImage_00338"
    names = [clicked, *(path.stem for path in sorted((real / "images").iterdir())[:9])]
    for name in names:
        for place in (f"images/{name}.jpg", f"voc/{name}.xml"):
            (tmp_path / place).parent.mkdir(exist_ok=True)
            (tmp_path / place).write_bytes((real / place).read_bytes())
    with (real / "boxes.csv").open(newline="") as file:
        listed = [row["class"] for row in csv.DictReader(file) if row["file"][:-4] in names[1:]]

    sites, read = read_hospitals(
        tmp_path, plan_of("blood-cells", size=32), Scenario(partition={"kind": "iid", "sites": 3}),
        ROOT / "configs" / "blood-cells.site.yaml", reader=SOURCES.get("pictures")(),
        cache=tmp_path / "cache",
    )  # fmt: skip

    (facts,) = read.facts["sources"].values()
    assert (facts["images"], [*facts["left_out"].values()]) == (9, [1])
    data = [site.data(plan_of("blood-cells", size=32)) for site in sites.values()]
    parts = [part for one in data for part in (one.train, one.validation, one.test) if len(part)]
    kinds = torch.cat([part.batch(torch.arange(len(part)))[1][..., 0].flatten() for part in parts])
    found = [int((kinds == place).sum()) for place in range(3)]
    assert found == [listed.count(word) for word in ("RBC", "WBC", "Platelets")]
