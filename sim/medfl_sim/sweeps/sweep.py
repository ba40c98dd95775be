"""Many runs of one study: every combination of some settings, each with several seeds.

DIR/plans/NAME.yaml   the plan of each run
    runs/NAME/        its run directory; a sweep never repeats a finished one
    sweep.csv         one line per run; sweep.tex and sweep.html: one per combination
The name of a run says its settings, so a wider sweep makes only the new runs.
"""

import itertools
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from medfl_client.data.ingest import Watch
from medfl_common.errors import ConfigError, MedflError, RunError
from medfl_common.plan.bounds import Value
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.plan.settings import check
from medfl_common.registry import Registry
from medfl_common.run.events import Finished
from medfl_common.run.folder import RunFolder
from medfl_common.ui.screen import in_words
from medfl_server.reports.sections.data import in_words as read_in_words
from medfl_server.reports.sections.shared import main_score
from medfl_server.study.run_directory import open_study
from medfl_sim.data.scenario import Scenario, load_scenario
from medfl_sim.runs.changed_plan import find_key, split_values, value_of, write_changed
from medfl_sim.runs.job import CACHE, Job, do

MAX_RUNS = 10_000
SCENARIO, PARTITION, PARTITION_SEED = "scenario", "partition.", "partition_seed"
SEED = "seed"
NUMBER = r"[-+]?[0-9.]+(?:e[-+]?[0-9]+)?"
RANGE = re.compile(rf"({NUMBER}?)\.\.({NUMBER})(:log)?", re.IGNORECASE)  # of a search
DATA = "data"  # a folder below the job's

Task = tuple[Job, Path]
Vary = Mapping[str, Sequence[Value]]  # key as in `find_key` -> values
# (runs to make, how many at a time) -> (run, what went wrong or nothing), each when it has ended
Runner = Callable[[Sequence[Task], int | None], Iterator[tuple[Task, str]]]
RUNNERS: Registry[Runner] = Registry("runner", "medfl_sim.sweeps.runners")


@dataclass(frozen=True)
class Variant:
    """One run of a sweep."""

    name: str
    settings: dict[str, str]  # key as it was given -> value in words
    seed: int
    job: Job
    folder: Path


def read_vary(texts: Iterable[str]) -> dict[str, list[Value]]:
    """Read `KEY=VALUE,VALUE`, once per key; a list stands in brackets."""
    found: dict[str, list[Value]] = {}
    for text in texts:
        key, _, rest = text.partition("=")
        words = split_values(rest)
        if any(RANGE.fullmatch(word) for word in words):
            raise ConfigError(
                f"--vary {text}: a range is for a search",
                todo="write --search N too, or values: KEY=VALUE,VALUE",
            )
        if not key or not rest or "" in words:
            raise ConfigError(
                f"--vary {text} names no values",
                todo="write KEY=VALUE,VALUE, such as lr=0.01,0.1",
            )
        if key in found:
            raise ConfigError(f"--vary {key} occurs twice", todo="write its values with commas")
        values = [value_of(word, f"--vary {text}") for word in words]
        if len({str(value) for value in values}) < len(values):
            raise ConfigError(
                f"--vary {text} has a value twice", todo="write each once; --seeds repeats runs"
            )
        found[key] = values
    return found


def refuse_masks(plan: Plan) -> None:
    """Raise ConfigError for a plan whose runs a sweep cannot compare."""
    if plan.task.is_dense:
        raise ConfigError(
            f"a sweep compares AUCs, and a {plan.task.type} has none",
            todo="make runs with medfl-sim run, then medfl-sim compare: it speaks of "
            f"{main_score(plan)[1]}",
        )


def variants(job: Job, vary: Vary, n_seeds: int, folder: Path) -> list[Variant]:
    """List the runs of a sweep, and write and check their plans; train nothing.

    Args:
        job: What all runs share; its plan's seed is the first.
        vary: The settings in which they differ.
        n_seeds: The number of seeds of each combination: seed, seed + 1, ...
        folder: The sweep's.
    """
    folder = folder.resolve()  # workers may be in another directory
    base_job = replace(
        job,
        data=job.data.resolve(),
        site_file=job.site_file and job.site_file.resolve(),
        cache=(job.cache or folder / CACHE).resolve(),
    )
    places = places_of(vary)
    first_plan = load_plan(job.plan)
    refuse_masks(first_plan)
    first = first_plan.seed
    n_runs = math.prod(map(len, vary.values())) * n_seeds
    if n_runs > MAX_RUNS:
        raise ConfigError(
            f"{n_runs} runs; a sweep makes at most {MAX_RUNS}",
            todo="vary fewer values, or try some of them by --search N",
        )
    found = []
    for values in itertools.product(*vary.values()):
        chosen = dict(zip(vary, values, strict=True))
        scenario = _scenario(job.scenario, chosen)
        settings = {key: str(value) for key, value in chosen.items()}
        changes = {places[k]: v for k, v in chosen.items() if not is_of_data(k)}
        for seed in range(first, first + n_seeds):
            name = _name(settings, seed)
            plan = folder / "plans" / f"{name}.yaml"
            write_changed(plan, job.plan, {**changes, SEED: seed}, f"the plan of {name}")
            _check_unchanged(folder / "runs" / name, plan)
            data = (base_job.data / str(chosen.get(DATA, ""))).resolve()
            own = replace(base_job, plan=plan, scenario=scenario, data=data)
            found.append(Variant(name, settings, seed, own, folder / "runs" / name))
    return found


def places_of(vary: Iterable[str]) -> dict[str, str]:
    """Name each setting whole; raises ConfigError where two are one, or one is the runs' seed."""
    found: dict[str, str] = {}
    for key in vary:
        place = place_of(key)
        if place == SEED:
            raise ConfigError(
                f"--vary {key}: a sweep counts its seeds from the plan's",
                todo="write --seeds N; --set seed=N sets the first",
            )
        if place in found.values():
            raise ConfigError(
                f"--vary {key}: {place} occurs twice", todo="write its values with commas"
            )
        found[key] = place
    return found


def run_sweep(
    found: Sequence[Variant],
    runner: str,
    n_workers: int | None,
    say: Callable[[str], None],
    watch: Watch | None = None,
    decoded: set[str] | None = None,
) -> dict[str, str]:
    """Make the unfinished runs; return name -> error of those that failed.

    The sweep decodes the images once, before the first run; `watch` follows that, and `decoded`
    takes for which data and images it is done.
    """
    left = [v for v in found if not _is_finished(v)]
    _decode(left, set() if decoded is None else decoded, say, watch)
    if len(left) < len(found):
        say(f"{len(found) - len(left)} of {len(found)} runs are finished already")
    failed: dict[str, str] = {}
    started = time.monotonic()
    tasks = [(variant.job, variant.folder) for variant in left]
    for done, ((_, folder), error) in enumerate(RUNNERS.get(runner)(tasks, n_workers), start=1):
        if error:
            failed[folder.name] = error
        ended = f"failed: {error}" if error else "is finished"
        seconds = (time.monotonic() - started) / done * (len(left) - done)
        say(f"{done} of {len(left)}: {folder.name} {ended}; {in_words(seconds)} left")
    return failed


def _decode(
    left: Sequence[Variant], decoded: set[str], say: Callable[[str], None], watch: Watch | None
) -> None:
    """Decode what the runs need, and say once what of the data takes part."""
    needed = {f"{load_plan(v.job.plan).images.model_dump_json()} {v.job.data}": v for v in left}
    said: set[str] = set()
    for way, variant in needed.items():
        if way in decoded:
            continue
        decoded.add(way)
        plan = load_plan(variant.job.plan)
        read = variant.job.hospitals(plan, variant.folder.parent, watch).read
        for line in read_in_words(read):
            if line not in said:
                say(line)
            said.add(line)


def work(task: Task) -> str:
    """Make one run, in any process; return the error, or nothing."""
    job, folder = task
    try:
        do(job, folder)
    except MedflError as error:
        return f"{error} (MEDFL-E{error.code})"
    return ""


def _is_finished(variant: Variant) -> bool:
    if not RunFolder(variant.folder).facts.exists():
        return False
    is_compared = RunFolder(variant.folder).comparison.exists() or not variant.job.baselines
    return is_compared and bool(open_study(variant.folder).log.read(Finished))


def is_of_data(key: str) -> bool:
    """Say whether a setting is of the data, not of the plan."""
    return key in (DATA, SCENARIO, PARTITION_SEED) or key.startswith(PARTITION)


def place_of(key: str) -> str:
    """Name a setting whole: a key of the plan by its place, one of the scenario as it is."""
    more = ", partition.KEY, partition_seed, scenario=FILE,FILE or data=FOLDER,FOLDER"
    return key if is_of_data(key) else find_key(key, more=more)


def _scenario(base: Scenario, chosen: Mapping[str, Value]) -> Scenario:
    scenario = base
    if SCENARIO in chosen:
        partition = scenario.partition
        scenario = load_scenario(Path(str(chosen[SCENARIO])))
        kept = {"partition": partition, PARTITION_SEED: base.partition_seed}
        own = scenario.model_fields_set
        scenario = scenario.model_copy(update={k: v for k, v in kept.items() if k not in own})
    changes = {k.removeprefix(PARTITION): v for k, v in chosen.items() if k.startswith(PARTITION)}
    values = scenario.model_dump()
    values["partition"] = {**values["partition"], **changes}
    if PARTITION_SEED in chosen:
        values[PARTITION_SEED] = chosen[PARTITION_SEED]
    return check(Scenario, values, "the sweep's scenario")


def _check_unchanged(folder: Path, plan: Path) -> None:
    if RunFolder(folder).facts.exists() and open_study(folder).plan != load_plan(plan):
        raise RunError(
            f"{folder} has another plan: the sweep's base plan has changed since",
            todo="sweep into another directory",
        )


def _name(settings: Mapping[str, str], seed: int) -> str:
    """Name a run by its settings, as a valid folder name; long names end in a hash."""
    text = "_".join([*(f"{key}-{value}" for key, value in settings.items()), f"seed-{seed}"])
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text)
    is_plain = name == text and len(name) <= 100
    return name if is_plain else f"{name[:90]}-{sha256(text.encode()).hexdigest()[:8]}"
