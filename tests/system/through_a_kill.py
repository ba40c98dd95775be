"""A study over real hospitals of which one is killed, and the simulation of the same."""

import shutil
from pathlib import Path

from tests.system.wiretap import Wiretap

from medfl_client.commands.run import free_port
from medfl_common.run.log import Line, read_lines
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study
from medfl_sim.local.deployment import Deployment, wait_until


def log(study: Path, kind: str) -> list[Line]:
    """Give a run's lines of one kind."""
    path = study / "log.jsonl"
    return [line for line in read_lines(path) if line["event"] == kind] if path.exists() else []


def renamed_copy(site: Path, folder: Path) -> Path:
    """Copy a hospital to a folder, by whose name it is called."""
    text = (Path(shutil.copytree(site, folder)) / "site.yaml").read_text()
    (folder / "site.yaml").write_text(text.replace(f"site: {site.name}", f"site: {folder.name}"))
    return folder


def run_through_a_kill(
    deployment: Deployment, plan: Path, sites: list[Path], faulty: Path, all_die: bool = False
) -> Wiretap:
    """Run a study; the second hospital is killed after the first round. Give what went over.

    `all_die`: after a further round the coordinator is killed, too, and goes on.
    """
    deployment.create(plan, {site.name: site for site in [*sites, faulty]})
    tapped, deployment.port = deployment.port, free_port()
    tap = Wiretap(tapped, deployment.port, deployment.study / "tls")
    server = deployment.start_server()
    clients = [deployment.start_client(site) for site in [*sites, faulty]]
    wait_until(lambda: bool(log(deployment.study, "round")), 300, "the first round")
    clients[1].kill()
    clients[1].wait()
    deployment.start_client(sites[1])
    if all_die:
        wait_until(lambda: len(log(deployment.study, "round")) > 1, 300, "the second round")
        server.kill()
        server.wait()
        server = deployment.start_server()
    wait_until(lambda: server.poll() is not None, 400, "the end of the study")
    deployment.stop()
    tap.close()
    return tap


def assert_simulations_bits(
    deployment: Deployment, plan: Path, hospitals: Path, sites: list[Path]
) -> None:
    """Simulate the study over the same folders; weights and sites are the same."""
    study = create_study(hospitals.parent / "simulated", plan)
    run_study(study, virtual_sites(hospitals, study.plan))
    (deployed,), (simulated,) = (log(f, "finished") for f in (deployment.study, study.folder))
    assert deployed["sha256"] == simulated["sha256"]
    assert set(deployed["sites"]) == {site.name for site in sites}  # type: ignore[call-overload]


def assert_told_nowhere(deployment: Deployment, tap: Wiretap, *secrets: bytes) -> None:
    """Look into every message, and every file and log of the coordinator."""
    written = [p for p in deployment.study.rglob("*") if p.is_file()]
    for secret in secrets:
        for path in [*written, deployment.folder / "server.log"]:
            assert secret not in path.read_bytes(), path
        assert secret not in tap.heard
