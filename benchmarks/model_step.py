"""How far do honest studies move their weights? For `policy.model_step`.

    python benchmarks/model_step.py OUT [ROUNDS] [STRATEGY ...]

Hospitals with a book (as real ones) in a simulation with label skew; prints for each strategy the
largest step of any site in any round after the first, in that site's largest update so far.
"""

import sys
from dataclasses import replace
from pathlib import Path

import yaml

from medfl_client.egress import model_step
from medfl_client.task import handler
from medfl_common.plan.algorithms import ALGORITHMS
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.radiograph import write_hospitals
from medfl_sim.data.scenario import partitioned
from medfl_sim.engine.simulation import run_study

PLAN = """\
plan: 1
study: steps
seed: 3
task: {type: binary, classes: [normal, opacity]}
images: {modality: [CR, DX], size: 24}
model: {name: small_cnn, norm: group}
training: {lr: 0.01, batch_size: 8}
evaluation: {validation: 0.25}
"""
WAYS = ("iid", "dirichlet:0.3")
N_SITES = 6


def steps(out: Path, data: Path, strategy: str, way: str, rounds: int) -> list[float]:
    """Run one study; give every step of every site."""
    values = yaml.safe_load(PLAN)
    values["federation"] = {"rounds": rounds, "strategy": strategy}
    folder = out / f"{strategy}-{way}"
    folder.mkdir(parents=True)
    (folder / "plan.yaml").write_text(yaml.safe_dump(values))
    study = create_study(folder / "run", folder / "plan.yaml")
    sites = virtual_sites(data, study.plan, partitioned(way, N_SITES), data / "site.yaml")
    found: list[float] = []

    def noted(state: Path, task: object, most: float | None) -> float:
        times = model_step.check_step(state, task, most)  # type: ignore[arg-type]
        found.append(times)
        return times

    handler.check_step = noted  # type: ignore[assignment]
    booked = {}
    for name, site in sites.items():
        state = folder / name
        state.mkdir()
        policy = site.policy.model_copy(update={"model_step": 1e12})
        booked[name] = replace(site, state=state, policy=policy)
    run_study(study, booked)
    return [times for times in found if times]


def main() -> None:
    """Print a line for each strategy."""
    out, rounds = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 8
    (data,) = write_hospitals(out / "data", n_sites=1, n_images=180, seed=1)
    print("| strategy | " + " | ".join(f"{way}: median | largest" for way in WAYS) + " |")
    for strategy in sys.argv[3:] or ALGORITHMS.names():
        cells = []
        for way in WAYS:
            try:
                found = sorted(steps(out, data, strategy, way, rounds))
                cells += [f"{found[len(found) // 2]:.2f}", f"{found[-1]:.2f}"]
            except Exception as error:  # a rule that needs more sites
                cells += [type(error).__name__, str(error)[:40]]
        print(f"| {strategy} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
