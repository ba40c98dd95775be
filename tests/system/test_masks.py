"""A segmentation over real hospitals: the simulation's bits, through a kill, and no name leaves."""

from pathlib import Path

import pydicom
import pytest
import yaml
from tests.system.through_a_kill import (
    assert_simulations_bits,
    assert_told_nowhere,
    renamed_copy,
    run_through_a_kill,
)

from medfl_sim.data.phantoms import KINDS
from medfl_sim.local.deployment import Deployment

pytestmark = [pytest.mark.processes, pytest.mark.slow]

NAME = "CANARYBIRD"
UID = b"777000777"
PLAN = """\
plan: 1
study: outlines
seed: 3
task: {type: segmentation, classes: [background, liver, tumour]}
images:
  {modality: [CT], sample: series, dimensions: 3, size: 32, depth: 8, spacing_mm: 10, slice_mm: 18,
   intensity: {rule: fixed, centre: 60, width: 400}}
model: {name: unet, width: 4, levels: 2}
training: {lr: 0.01, batch_size: 2}
federation: {rounds: 3, min_sites: 2, deadline_s: 120, statistics: true}
evaluation: {validation: 0.4, test: 0}
"""


def mark(site: Path) -> None:
    """Put a canary into every name of a structure, and into the outlines' own UIDs."""
    for number, path in enumerate(sorted((site / "dicom").rglob("*.dcm"))):
        file = pydicom.dcmread(path)
        if file.Modality == "CT":
            continue
        uid = f"1.2.826.0.1.3680043.8.498.{UID.decode()}.{number}"
        file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = uid
        for roi in file.get("StructureSetROISequence", []):
            roi.ROIName = f"{NAME} {roi.ROIName}"
        for segment in file.get("SegmentSequence", []):
            segment.SegmentLabel = f"{NAME} {segment.SegmentLabel}"
        file.save_as(path.with_name(f"{NAME}{number}.dcm"))
        path.unlink()
    values = yaml.safe_load((site / "site.yaml").read_text())
    masks = values["data"]["masks"]
    masks["names"] = {f"{NAME} {name}": to for name, to in masks["names"].items()}
    values["policy"] = {"min_images": 1, "min_cell": 1}
    (site / "site.yaml").write_text(yaml.safe_dump(values, allow_unicode=True))


def forget_names(site: Path) -> None:
    """Map nothing, so that an error at the site quotes every name."""
    values = yaml.safe_load((site / "site.yaml").read_text())
    values["data"]["masks"]["names"] = {}
    (site / "site.yaml").write_text(yaml.safe_dump(values, allow_unicode=True))


def test_hospitals_with_outlines_give_the_simulations_bits_and_tell_no_name(
    deployment: Deployment, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN)
    sites = KINDS.get("organ-ct")(tmp_path / "hospitals", 3, 6, 1)
    for site in sites:
        mark(site)
    faulty = renamed_copy(sites[0], tmp_path / "faulty")
    forget_names(faulty)

    tap = run_through_a_kill(deployment, plan, sites, faulty)

    assert_simulations_bits(deployment, plan, tmp_path / "hospitals", sites)
    assert NAME in (faulty / "state" / "incidents.jsonl").read_text()
    assert b"mask_dice" in tap.heard or b"train_loss" in tap.heard
    assert_told_nowhere(deployment, tap, NAME.encode(), UID)
