"""A detection over real hospitals: the simulation's bits, through a kill, and no word leaves."""

import shutil
from pathlib import Path

import pytest
import yaml
from tests.system.test_masks import NAME, log
from tests.system.wiretap import Wiretap

from medfl_client.commands.run import free_port
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.phantoms import KINDS
from medfl_sim.engine.simulation import run_study
from medfl_sim.local.deployment import Deployment, wait_until

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
    faulty = Path(shutil.copytree(sites[1], tmp_path / "faulty"))
    mark(faulty, is_mapped=False)
    text = (faulty / "site.yaml").read_text().replace("site: site-2", "site: faulty")
    (faulty / "site.yaml").write_text(text)
    for site in sites:
        mark(site)
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
    assert NAME in (faulty / "state" / "incidents.jsonl").read_text()
    assert b"box_" in tap.heard
    written = [p for p in deployment.study.rglob("*") if p.is_file()]
    for path in [*written, deployment.folder / "server.log"]:
        assert NAME.encode() not in path.read_bytes(), path
    assert NAME.encode() not in tap.heard
