"""Hours of random SIGKILLs and SIGSTOPs over three hospitals, in short trainings and in long ones.

    soak.py WORK_FOLDER [KILLS] [SEED]

Three quarters of the hits are made in a study of short rounds, the others in one whose hit
trainings take more than a minute. Nothing is started again that was not killed. Ends with status 1
where the final weights of one study are not those of the simulation by SHA-256, where a round is
missing or twice in the log, where a process ends that was not killed, or where a screen shows a
line that cannot be true here.
"""

import functools
import re
import sys
import time
from collections import Counter
from pathlib import Path

from medfl_common.errors import RunError
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.radiograph import write_hospitals
from medfl_sim.engine.simulation import run_study
from medfl_sim.local.deployment import Deployment

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.system.kills import PHASES, PROCESSES, Kill, Storm

print = functools.partial(print, flush=True)

PLAN = """\
plan: 1
study: soak
seed: 3
task: {type: binary, classes: [normal, opacity]}
images: {modality: [CR, DX], size: 24}
model: {name: small_cnn, norm: group}
training: {lr: 0.01, batch_size: 8, epochs: EPOCHS}
federation: {rounds: ROUNDS, deadline_s: 3600, min_sites: all, empty_rounds: 1000}
"""
KINDS = {"short": {"is_long": False, "epochs": 1}, "long": {"is_long": True, "epochs": 100}}
STOPS = 0.3  # part of the hits that are SIGSTOPs
# Where every site is honest, enrolled and patient, none of these can be true.
FALSE = re.compile(
    r"Traceback|Error\b|clock is|two clients|quarantined|too late|"
    r"does not know this site's keys|another program|cannot use its socket|not sent|damaged"
)


def main(folder: Path, n_kills: int, seed: int) -> int:
    """Soak both kinds of study; print what was done, and say whether all is as it should be."""
    kills: list[Kill] = []
    is_right = True
    n_long = n_kills // 4
    for kind, n_hits in (("short", n_kills - n_long), ("long", n_long)):
        found, is_good = soak(folder / kind, kind, n_hits, seed)
        kills += found
        is_right = is_right and is_good
    _show(kills)
    return 0 if is_right else 1


def soak(folder: Path, kind: str, n_kills: int, seed: int) -> tuple[list[Kill], bool]:
    """Soak one study; give what hit it, and whether it came to what the simulation comes to."""
    folder.mkdir(parents=True)
    paths = write_hospitals(folder / "hospitals", n_sites=3, n_images=40, seed=1)
    for path in paths:
        with (path / "site.yaml").open("a") as file:
            file.write("policy: {min_images: 5, min_cell: 1}\n")
    n_rounds, plan = 2 * n_kills + 3, folder / "plan.yaml"
    plan.write_text(
        PLAN.replace("ROUNDS", str(n_rounds)).replace("EPOCHS", str(KINDS[kind]["epochs"]))
    )
    study = create_study(folder / "undisturbed", plan)
    run_study(study, virtual_sites(folder / "hospitals", study.plan))
    expected = study.log.lines("finished")[0]["sha256"]
    deployment, sites = Deployment(folder), {path.name: path for path in paths}
    deployment.create(plan, sites)
    started = time.monotonic()
    phases = ("training",) if KINDS[kind]["is_long"] else PHASES
    storm = Storm(
        deployment, sites, n_kills, seed, phases, bool(KINDS[kind]["is_long"]), stops=STOPS
    )
    try:
        kills = storm.run(timeout_s=300 + 300 * n_kills)
    except RunError as error:
        print(f"{kind}: {error.what}")
        return storm.kills, False
    finally:
        deployment.stop()
    print(f"{kind}: {len(kills)} hits in {n_rounds} rounds, {time.monotonic() - started:.0f} s")
    return kills, _judge(storm, deployment, n_rounds, expected)


def _judge(storm: Storm, deployment: Deployment, n_rounds: int, expected: object) -> bool:
    in_order = [event["round"] for event in storm.events("round")] == [*range(1, n_rounds + 1)]
    (finished,) = storm.events("finished")
    works = [site["seconds"] for event in storm.events("round") for site in event["sites"].values()]  # type: ignore[attr-defined]
    print(f"trainings of 60 s or more: {sum(work >= 60 for work in works)}; longest {max(works)} s")
    print(f"every round in the log once, in order: {in_order}")
    print(f"final weights {finished['sha256']}, undisturbed {expected}")
    lines = {
        f"{screen.name}: {line}"
        for screen in deployment.folder.glob("*.log")
        for line in screen.read_text().splitlines()
        if FALSE.search(line)
    }
    print(f"lines that cannot be true: {len(lines)}", *sorted(lines), sep="\n  ")
    return in_order and finished["sha256"] == expected and not lines


def _show(kills: list[Kill]) -> None:
    counts = Counter((k.process, k.signal, k.is_long) for k in kills)
    print("| hit | SIGKILL, short | SIGSTOP, short | SIGKILL, a minute | SIGSTOP, a minute |")
    print("|---|---|---|---|---|")
    for process in PROCESSES:
        cells = [
            counts[process, sent, is_long]
            for is_long in (False, True)
            for sent in ("SIGKILL", "SIGSTOP")
        ]
        print(f"| {process} | " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[2:]]
    chosen = (*numbers, *(100, 0)[len(numbers) :])
    sys.exit(main(Path(sys.argv[1]), *chosen))
