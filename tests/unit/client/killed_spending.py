"""Kills a hospital that spends, at random moments, and starts it again until a study is done.

    python -m tests.unit.client.killed_spending FOLDER KILLS SEED

Each life is a process forked here. It asks the rounds that have no answer yet, as a coordinator
would; an answer is a line of `answers`, on the disk after its charge.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.unit.client.spending import Hospital, noisy_plan

N_ROUNDS = 10


def live(folder: Path) -> None:
    """Answer what has no answer yet; each round is asked twice, with two nonces."""
    here, plan, answers = Hospital(folder), noisy_plan(rounds=N_ROUNDS), folder / "answers"
    done = len(answers.read_text().splitlines()) if answers.exists() else 0
    for round_ in range(done + 1, N_ROUNDS + 1):
        here.ask(plan, round_)
        with answers.open("a") as file:
            file.write(f"{plan.hash()} round {round_}\n")
            file.flush()
        here.receipt()
        here.ask(plan, round_, nonce=8)


def killed(live: Callable[[Path], None], folder: Path, after_s: float) -> bool:
    """Live until a SIGKILL, or until all is answered: False."""
    process = os.fork()
    if not process:
        status = 1
        try:
            live(folder)
            status = 0
        finally:
            os._exit(status)
    ended, ends = (0, 0), time.monotonic() + after_s
    while time.monotonic() < ends and not (ended := os.waitpid(process, os.WNOHANG))[0]:
        time.sleep(min(0.001, max(ends - time.monotonic(), 0)))
    if not ended[0]:
        os.kill(process, signal.SIGKILL)
        ended = os.waitpid(process, 0)
    status = ended[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit("a life ended by itself, and badly")
    return os.WIFSIGNALED(status)


def main(folder: Path, n_kills: int, seed: int) -> None:
    draw, n_done, n_studies = random.Random(seed), 0, 0
    while n_done < n_kills:
        site = folder / f"site-{n_studies}"
        Hospital(site).approve(noisy_plan(rounds=N_ROUNDS))
        while killed(live, site, draw.uniform(0, 0.06)):
            n_done += 1
        n_studies += 1
    print(n_done)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
