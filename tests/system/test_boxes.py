"""A detection over real hospitals: the simulation's bits, through a kill, and no word leaves."""

from pathlib import Path

import pytest
import yaml
from tests.system.test_masks import NAME
from tests.system.through_a_kill import (
    assert_simulations_bits,
    assert_told_nowhere,
    renamed_copy,
    run_through_a_kill,
)

from medfl_sim.data.phantoms import KINDS
from medfl_sim.local.deployment import Deployment

pytestmark = [pytest.mark.processes, pytest.mark.slow]

PLAN = """\
plan: 1
study: nodules
seed: 3
task: {type: detection, classes: [nodule]}
images: {modality: [DX, CR], size: 48}
model: {name: unet, width: 4, levels: 3}
training: {optimizer: adamw, lr: 0.002, batch_size: 4, augmentation: {shift: 0.05, zoom: 0.1}}
federation: {rounds: 3, min_sites: 2, deadline_s: 120, statistics: true}
evaluation: {validation: 0.4, test: 0}
"""


def mark(site: Path, is_mapped: bool = True) -> None:
    """Put a canary into every word of a hospital's list; with `is_mapped` its site file knows."""
    values = yaml.safe_load((site / "site.yaml").read_text())
    boxes = values["data"]["boxes"]
    names = boxes.get("names") or {"nodule": "nodule"}
    listed = site / boxes["file"]
    for path in [*listed.rglob("*.xml")] if listed.is_dir() else [listed]:
        text = path.read_text()
        for name in names:
            text = text.replace(name, f"{NAME} {name}")
        path.write_text(text)
    boxes["names"] = {f"{NAME} {name}": to for name, to in names.items()} if is_mapped else {}
    values["policy"] = {"min_images": 1, "min_cell": 1}
    (site / "site.yaml").write_text(yaml.safe_dump(values, allow_unicode=True))


def test_hospitals_with_boxes_give_the_simulations_bits_and_tell_no_word(
    deployment: Deployment, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN)
    sites = KINDS.get("chest-nodules")(tmp_path / "hospitals", 4, 12, 1)
    faulty = renamed_copy(sites[1], tmp_path / "faulty")
    mark(faulty, is_mapped=False)
    for site in sites:
        mark(site)

    tap = run_through_a_kill(deployment, plan, sites, faulty)

    assert_simulations_bits(deployment, plan, tmp_path / "hospitals", sites)
    assert NAME in (faulty / "state" / "incidents.jsonl").read_text()
    assert b"box_" in tap.heard
    assert_told_nowhere(deployment, tap, NAME.encode())
