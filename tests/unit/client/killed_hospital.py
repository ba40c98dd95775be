"""Kills a real hospital that trains with noise, at random moments, and compares what it answers.

    python -m tests.unit.client.killed_hospital SITE KILLS SEED

SITE has images and no state yet. A run without kills comes first; then copies of the site, with the
same keys, are killed and started again until each has answered all rounds. Prints, as JSON, how
many kills there were and the folders.
"""

import hashlib
import json
import random
import shutil
import sys
import time
from pathlib import Path

from tests.unit.client.killed_spending import killed
from tests.unit.client.spending import noisy_plan
from tests.unit.client.test_questions import Coordinator

from medfl_client.config.secret_keys import noise_secret, site_secret
from medfl_client.config.site_file import load_site_file
from medfl_client.egress import approvals, budget
from medfl_client.task.site import open_site
from medfl_common.files import write_atomic
from medfl_common.plan.plan import Plan

N_ROUNDS = 10


def the_plan() -> Plan:
    return noisy_plan(
        rounds=N_ROUNDS, draw=4, steps=2, multiplier=4.0, least_patients=8, epsilon=20.0
    )


def live(folder: Path) -> None:
    """Answer the rounds that have no answer yet."""
    ask, answers = Coordinator(open_site(folder, load_site_file(folder)), the_plan()), []
    path = folder / "answers.json"
    if path.exists():
        answers = json.loads(path.read_text())
    for round_ in range(len(answers) + 1, N_ROUNDS + 1):
        reply = ask.ask("train", round_, ask.moved(round_ - 1))
        if "update" not in reply.array_records:
            raise SystemExit(f"no answer: {ask.said}")
        bits = reply.array_records["update"]["flat"].data
        answers.append(hashlib.sha256(bits).hexdigest())
        write_atomic(path, json.dumps(answers).encode())


def main(site: Path, n_kills: int, seed: int) -> None:
    state = site / "state"
    state.mkdir()
    site_secret(state)
    noise_secret(state)
    budget.reserve(state, the_plan(), load_site_file(site).policy)
    approvals.approve(state, the_plan())
    whole, began = shutil.copytree(site, site.parent / "whole"), time.monotonic()
    if killed(live, whole, 300.0):
        raise SystemExit("the run without kills took too long")
    took_s = time.monotonic() - began
    draw, n_done, folders = random.Random(seed), 0, []
    while n_done < n_kills:
        folders.append(shutil.copytree(site, site.parent / f"killed-{len(folders)}"))
        while killed(live, folders[-1], draw.uniform(0, took_s)):
            n_done += 1
    print(json.dumps({"kills": n_done, "whole": str(whole), "killed": [*map(str, folders)]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
