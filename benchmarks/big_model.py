"""A large model over two real sites: VGG16, all layers (537 MB each way), over TLS on loopback.

    big_model.py WORK_FOLDER [ROUNDS]

Prints the largest memory of each process, and the seconds of each round.
"""

import re
import sys
import time
from pathlib import Path

from medfl_common.run.log import read_lines
from medfl_sim.data.radiograph import write_hospitals
from medfl_sim.local.deployment import Deployment

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.system.kills import children

PLAN = """\
plan: 1
study: big-model
seed: 0
task: {type: binary, classes: [normal, opacity]}
images: {modality: [CR, DX], size: 64, channels: 3}
model: {name: vgg16}
training: {lr: 0.001, batch_size: 8}
federation: {rounds: ROUNDS, deadline_s: 1800}
evaluation: {keep: last}
"""


def main(folder: Path, rounds: int) -> None:
    """Run the study once and print the figures."""
    sites = write_hospitals(folder / "hospitals", n_sites=2, n_images=40, seed=0)
    for site in sites:
        with (site / "site.yaml").open("a") as file:
            file.write("policy: {min_images: 5, min_cell: 1}\n")
    plan = folder / "plan.yaml"
    plan.write_text(PLAN.replace("ROUNDS", str(rounds)))
    deployment = Deployment(folder)
    deployment.create(plan, {site.name: site for site in sites})
    server = deployment.start_server()
    clients = {site.name: deployment.start_client(site) for site in sites}
    peaks: dict[str, int] = {}
    try:
        while server.poll() is None:
            pids = {"coordinator": server.pid}
            for name, client in clients.items():
                pids[f"{name}, executor"] = client.pid
                for child in children(client.pid):
                    pids[f"{name}, SuperNode or worker"] = child
            for what, pid in pids.items():
                peaks[what] = max(peaks.get(what, 0), peak_mb(pid))
            time.sleep(0.5)
    finally:
        deployment.stop()
    for what, peak in sorted(peaks.items()):
        print(f"{what}: {peak:,} MB at most")
    for event in read_lines(deployment.study / "log.jsonl"):
        if event["event"] in ("round", "finished"):
            facts = dict(event["sites"])  # type: ignore[call-overload]
            moved = {name: f"{site['bytes_received']:,} bytes" for name, site in facts.items()}
            print(f"{event['event']} {event['round']}: {event['seconds']} s, received {moved}")


def peak_mb(pid: int) -> int:
    """Read the largest memory of a process; 0 where it has ended."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found.group(1)) // 1000 if found else 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2)
