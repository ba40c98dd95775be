"""A segmentation over real hospitals: the simulation's bits, through a kill, and no name leaves."""

import shutil
from pathlib import Path

import pydicom
import pytest
import yaml
from tests.system.wiretap import Wiretap

from medfl_client.commands.run import free_port
from medfl_common.run.log import Line, read_lines
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.phantoms import KINDS
from medfl_sim.engine.simulation import run_study
from medfl_sim.local.deployment import Deployment, wait_until

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


def log(study: Path, kind: str) -> list[Line]:
    path = study / "log.jsonl"
    return [line for line in read_lines(path) if line["event"] == kind] if path.exists() else []


def test_hospitals_with_outlines_give_the_simulations_bits_and_tell_no_name(
    deployment: Deployment, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN)
    sites = KINDS.get("organ-ct")(tmp_path / "hospitals", 3, 6, 1)
    for site in sites:
        mark(site)
    faulty = Path(shutil.copytree(sites[0], tmp_path / "faulty"))
    (faulty / "site.yaml").write_text(
        (faulty / "site.yaml").read_text().replace("site: site-1", "site: faulty")
    )
    forget_names(faulty)
    deployment.create(plan, {site.name: site for site in [*sites, faulty]})
    tapped, deployment.port = deployment.port, free_port()
    tap = Wiretap(tapped, deployment.port, deployment.study / "tls")

    server = deployment.start_server()
    clients = [deployment.start_client(site) for site in [*sites, faulty]]
    wait_until(lambda: bool(log(deployment.study, "round")), 300, "the first round")
    clients[1].kill()
    clients[1].wait()
    deployment.start_client(sites[1])
    wait_until(lambda: server.poll() is not None, 400, "the end of the study")
    deployment.stop()
    tap.close()

    study = create_study(tmp_path / "simulated", plan)
    run_study(study, virtual_sites(tmp_path / "hospitals", study.plan))
    (deployed,), (simulated,) = (log(f, "finished") for f in (deployment.study, study.folder))
    assert deployed["sha256"] == simulated["sha256"]
    assert set(deployed["sites"]) == {site.name for site in sites}  # type: ignore[call-overload]
    incidents = (faulty / "state" / "incidents.jsonl").read_text()
    assert NAME in incidents
    assert b"mask_dice" in tap.heard or b"train_loss" in tap.heard
    written = [p for p in deployment.study.rglob("*") if p.is_file()]
    for path in [*written, deployment.folder / "server.log"]:
        assert NAME.encode() not in path.read_bytes(), path
        assert UID not in path.read_bytes(), path
    assert NAME.encode() not in tap.heard
    assert UID not in tap.heard
