"""The coordinator is killed in mid-study and stays away: do the sites come back by themselves?

    away.py WORK_FOLDER [SECONDS AWAY]

Prints the seconds from its start to the first round after, and what a site's screen said.
"""

import sys
import time
from pathlib import Path

import yaml

from medfl_common.run.log import read_lines
from medfl_sim.data.radiograph import write_hospitals
from medfl_sim.local.deployment import Deployment, wait_until

PLAN = Path(__file__).parents[1] / "configs" / "phantom.yaml"


def main(folder: Path, away_s: float) -> None:
    """Run, kill, wait, start again, and print."""
    sites = write_hospitals(folder / "hospitals", n_sites=2, n_images=60, seed=0)
    plan = yaml.safe_load(PLAN.read_text())
    plan["federation"]["rounds"] = 1000
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan))
    deployment = Deployment(folder)
    deployment.create(folder / "plan.yaml", {site.name: site for site in sites})

    def n_rounds() -> int:
        log = deployment.study / "log.jsonl"
        return sum(event["event"] == "round" for event in read_lines(log))

    server = deployment.start_server()
    for site in sites:
        deployment.start_client(site)
    try:
        wait_until(lambda: n_rounds() >= 2, 120, "two rounds")
        server.kill()
        server.wait()
        before = n_rounds()
        time.sleep(away_s)
        started = time.monotonic()
        deployment.start_server()
        wait_until(lambda: n_rounds() > before, 120, "a round after")
        print(f"away {away_s:.0f} s; the next round was made {time.monotonic() - started:.1f} s")
        print("after the coordinator was started again. A site's screen:")
        print((folder / "site-1.log").read_text())
    finally:
        deployment.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 300.0)
