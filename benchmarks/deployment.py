"""Waiting in a real deployment: hospitals and a coordinator over TLS on loopback.

    deployment.py WORK_FOLDER [ROUNDS] [SITES]

Prints the seconds from starting `medfl-client run` to its first training step (data indexed and
decoded on the way), and the seconds of a round that are not work, with a near-empty training step.
"""

import json
import statistics
import sys
import time
from pathlib import Path

from medfl_common.run.log import read_lines
from medfl_sim.data.radiograph import write_hospitals
from medfl_sim.local.deployment import Deployment

PLAN = """\
plan: 1
study: waiting
seed: 0
task: {type: binary, classes: [normal, opacity]}
images: {modality: [CR, DX], size: 16}
model: {name: small_cnn, norm: none}
training: {batch_size: 32}
federation: {rounds: ROUNDS, deadline_s: 120}
"""


def main(folder: Path, rounds: int, n_sites: int) -> None:
    """Run the study once and print the figures."""
    sites = write_hospitals(folder / "hospitals", n_sites=n_sites, n_images=60, seed=0)
    plan = folder / "plan.yaml"
    plan.write_text(PLAN.replace("ROUNDS", str(rounds)))
    deployment = Deployment(folder)
    deployment.create(plan, {site.name: site for site in sites})
    server = deployment.start_server()
    time.sleep(6)  # the coordinator is up before the hospitals start
    started = {}
    try:
        for site in sites:
            started[site.name] = time.time()
            deployment.start_client(site)
        server.wait(600)
    finally:
        deployment.stop()
    events = [e for e in read_lines(deployment.study / "log.jsonl") if e["event"] == "round"]
    for site in sites:
        line = json.loads((site / "state" / "ledger.jsonl").read_text().splitlines()[0])
        first = line["time"] - events[0]["sites"][site.name]["seconds"]  # type: ignore[index,call-overload]
        print(
            f"{site.name}: first training step {first - started[site.name]:.1f} s after its start"
        )
    waiting = [
        event["seconds"] - max(facts["seconds"] for facts in event["sites"].values())  # type: ignore[union-attr,operator,index,call-overload]
        for event in events[1:]
    ]
    print(
        f"waiting per round, {n_sites} sites, {len(waiting)} rounds: "
        f"median {statistics.median(waiting):.2f} s, {min(waiting):.2f} to {max(waiting):.2f} s"
    )


if __name__ == "__main__":
    counts = [int(argument) for argument in sys.argv[2:]]
    main(Path(sys.argv[1]), counts[0] if counts else 20, counts[1] if len(counts) > 1 else 2)
