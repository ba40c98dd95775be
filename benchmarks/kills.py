"""Random SIGKILLs over coordinator, SuperNode and executor of a real study with three sites.

    kills.py WORK_FOLDER [KILLS] [SEED] [all|quorum]

With `all` the plan waits for every site: the final weights must equal the undisturbed ones (those
of the simulation) by SHA-256, and every round is in the log once. With `quorum` two of three sites
and a short deadline are enough: the study must finish, without a gap, and its log must say which
site missed which round. Ends with status 1 where that is not so.
"""

import statistics
import sys
import time
from collections import Counter
from pathlib import Path

from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.radiograph import write_hospitals
from medfl_sim.engine.simulation import run_study
from medfl_sim.local.deployment import Deployment

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.system.kills import PHASES, PROCESSES, Kill, Storm

PLAN = """\
plan: 1
study: kills
seed: 3
task: {type: binary, classes: [normal, opacity]}
images: {modality: [CR, DX], size: 24}
model: {name: small_cnn, norm: group}
training: {lr: 0.01, batch_size: 8, epochs: 20}
federation: {rounds: ROUNDS, deadline_s: DEADLINE, min_sites: SITES, empty_rounds: 1000}
"""


def main(folder: Path, n_kills: int, seed: int, mode: str) -> int:
    """Run, print the tables, and say whether all is as it should be."""
    hospitals = folder / "hospitals"
    paths = write_hospitals(hospitals, n_sites=3, n_images=40, seed=1)
    for path in paths:
        with (path / "site.yaml").open("a") as file:
            file.write("policy: {min_images: 5, min_cell: 1}\n")
    values = {"ROUNDS": n_kills + n_kills // 2 + 10, "DEADLINE": 600, "SITES": "all"}
    if mode == "quorum":
        values |= {"DEADLINE": 12, "SITES": 2}
    text = PLAN
    for name, value in values.items():
        text = text.replace(name, str(value))
    plan = folder / "plan.yaml"
    plan.write_text(text)
    expected = None
    if mode == "all":
        study = create_study(folder / "undisturbed", plan)
        run_study(study, virtual_sites(hospitals, study.plan))
        expected = study.log.lines("finished")[0]["sha256"]
    deployment = Deployment(folder)
    sites = {path.name: path for path in paths}
    deployment.create(plan, sites)
    started = time.monotonic()
    storm = Storm(deployment, sites, n_kills, seed)
    try:
        kills = storm.run(timeout_s=60 + 40 * n_kills)
    finally:
        deployment.stop()
    print(f"{len(kills)} kills, {time.monotonic() - started:.0f} s for the study")
    _show(kills)
    return 0 if _judge(storm, values["ROUNDS"], expected) else 1


def _show(kills: list[Kill]) -> None:
    counts = Counter((kill.process, kill.phase) for kill in kills)
    print("| killed | " + " | ".join(PHASES) + " | next round made after: median, longest |")
    print("|---" * (len(PHASES) + 2) + "|")
    for process in PROCESSES:
        times = [kill.recovered_s for kill in kills if kill.process == process]
        shown = f"{statistics.median(times):.1f} s, {max(times):.1f} s" if times else "n/a"
        cells = " | ".join(str(counts[process, phase]) for phase in PHASES)
        print(f"| {process} | {cells} | {shown} |")


def _judge(storm: Storm, n_rounds: int, expected: object) -> bool:
    made = storm.events("round")
    (finished,) = storm.events("finished")
    in_order = [event["round"] for event in made] == [*range(1, n_rounds + 1)]
    print(f"every round in the log once, in order: {in_order}")
    if expected is not None:
        print(f"final weights {finished['sha256']}, undisturbed {expected}")
        return in_order and finished["sha256"] == expected
    missed = Counter(site for event in made for site in event["missing"])  # type: ignore[union-attr]
    whole = all(len(event["sites"]) + len(event["missing"]) == 3 for event in made)  # type: ignore[arg-type]
    print(f"rounds missed: {dict(missed)}; each round names who answered and who did not: {whole}")
    return in_order and whole


if __name__ == "__main__":
    arguments = sys.argv[2:]
    numbers = [int(a) for a in arguments if a.isdigit()]
    chosen = next((a for a in arguments if a in ("all", "quorum")), "all")
    sys.exit(
        main(
            Path(sys.argv[1]),
            numbers[0] if numbers else 50,
            numbers[1] if len(numbers) > 1 else 0,
            chosen,
        )
    )
