"""The CT study as five real hospitals: client processes and a coordinator over TLS on loopback.

    ct_deployment.py CT_FOLDER WORK_FOLDER

Deals the files of CT_FOLDER (docs/tutorials/ct-contrast.md) out to a folder per hospital, runs the
study with the real commands, and compares the final weights with the simulation's by SHA-256.
"""

import csv
import shutil
import sys
import time
from pathlib import Path

from medfl_common.run.log import read_lines
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.scenario import partitioned
from medfl_sim.engine.simulation import run_study
from medfl_sim.local.deployment import Deployment

CONFIGS = Path(__file__).parents[1] / "configs"
COLUMN = "tss_hospital"


def deal_out(ct: Path, out: Path) -> dict[str, Path]:
    """Copy each hospital's files and lines of the label file into a folder of its own."""
    with (ct / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    site_file = (CONFIGS / "ct-contrast.site.yaml").read_text()
    sites = {}
    for value in sorted({row[COLUMN] for row in rows}):
        name = f"tss-hospital-{value}"
        folder = out / name
        (folder / "dicom").mkdir(parents=True)
        mine = [row for row in rows if row[COLUMN] == value]
        for row in mine:
            shutil.copy(ct / "dicom" / row["file"], folder / "dicom")
        with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(mine)
        (folder / "site.yaml").write_text(site_file.replace("site: tcga-lung", f"site: {name}"))
        sites[name] = folder
    return sites


def main(ct: Path, out: Path) -> None:
    """Run both, print what each reached."""
    plan, site_file = CONFIGS / "ct-contrast.yaml", CONFIGS / "ct-contrast.site.yaml"
    study = create_study(out / "simulated", plan)
    started = time.monotonic()
    run_study(study, virtual_sites(ct, study.plan, partitioned(f"column:{COLUMN}"), site_file))
    print(f"simulation: {time.monotonic() - started:.0f} s", flush=True)
    same_bits(study.folder, deploy(plan, deal_out(ct, out / "hospitals"), out))


def deploy(plan: Path, sites: dict[str, Path], out: Path) -> Path:
    """Run a study over site folders as processes; return its run directory."""
    deployment = Deployment(out)
    deployment.create(plan, sites)
    started = time.monotonic()
    try:
        server = deployment.start_server(show=True)
        for site in sites.values():
            deployment.start_client(site)
        server.wait(1800)
    finally:
        deployment.stop()
    print(f"{len(sites)} real hospitals: {time.monotonic() - started:.0f} s")
    return deployment.study


def same_bits(simulated: Path, deployed: Path) -> None:
    """Compare the final weights of two run directories, and say so."""
    digests = [
        next(e["sha256"] for e in read_lines(folder / "log.jsonl") if e["event"] == "finished")
        for folder in (simulated, deployed)
    ]
    print(f"final weights, simulation: {digests[0]}\nfinal weights, deployment: {digests[1]}")
    print("the same bits" if digests[0] == digests[1] else "NOT the same bits")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
