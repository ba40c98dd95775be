"""Many runs of one study: every combination of some settings, each with several seeds.

DIR/plans/NAME.yaml   the plan of each run
    runs/NAME/        its run directory; a sweep never repeats a finished one
    sweep.csv         one line per run; sweep.tex and sweep.html: one per combination
The name of a run says its settings, so a wider sweep makes only the new runs.
"""

import itertools
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import yaml

from medfl_client.data.ingest import Watch
from medfl_common.errors import ConfigError, MedflError, RunError
from medfl_common.files import write_atomic
from medfl_common.plan.bounds import Value
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.plan.settings import check, models_in
from medfl_common.plan.strict_yaml import parse_yaml, read_yaml
from medfl_common.registry import Registry
from medfl_common.run.events import Finished
from medfl_common.run.folder import RunFolder
from medfl_common.ui.screen import in_words
from medfl_server.study.run_directory import open_study
from medfl_sim.data.scenario import Scenario, load_scenario
from medfl_sim.runs.job import CACHE, Job, do

MAX_RUNS = 10_000
SCENARIO, PARTITION = "scenario", "partition."

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
        words = [word.strip() for word in re.split(r",(?![^\[]*\])", rest)]
        if not key or not rest or "" in words:
            raise ConfigError(
                f"--vary {text} names no values",
                todo="write KEY=VALUE,VALUE, such as lr=0.01,0.1",
            )
        if key in found:
            raise ConfigError(f"--vary {key} occurs twice", todo="write its values with commas")
        found[key] = [parse_yaml(f"value: {w}", f"--vary {text}")["value"] for w in words]
    return found


def find_key(key: str) -> str:
    """Return the place in a plan that a key means: `federation.strategy`, or short `strategy`.

    Raises ConfigError if there is no such setting, or more than one.
    """
    places = _places(Plan)
    if key in places:
        return key
    found = [place for place in places if place.rpartition(".")[2] == key]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(f"--vary {key} may mean {' or '.join(found)}", todo="write it whole")
    raise ConfigError(
        f"--vary {key}: a plan has no such setting",
        todo="write one of the plan's, partition.KEY or scenario=FILE,FILE",
    )


def _places(model: type, prefix: str = "") -> list[str]:
    found = []
    for name, field in model.model_fields.items():  # type: ignore[attr-defined]
        found.append(f"{prefix}{name}")
        for inner in models_in(field.annotation):
            found += _places(inner, f"{prefix}{name}.")
    return list(dict.fromkeys(found))


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
    places = {key: key if _is_of_scenario(key) else find_key(key) for key in vary}
    base = read_yaml(job.plan)
    first = load_plan(job.plan).seed
    combinations = [*itertools.product(*vary.values())]
    if len(combinations) * n_seeds > MAX_RUNS:
        raise ConfigError(f"{len(combinations) * n_seeds} runs; a sweep makes at most {MAX_RUNS}")
    found = []
    for values in combinations:
        chosen = dict(zip(vary, values, strict=True))
        scenario = _scenario(job.scenario, chosen)
        settings = {key: str(value) for key, value in chosen.items()}
        changes = {places[k]: v for k, v in chosen.items() if not _is_of_scenario(k)}
        for seed in range(first, first + n_seeds):
            name = _name(settings, seed)
            plan = folder / "plans" / f"{name}.yaml"
            _write_plan(plan, base, {**changes, "seed": seed}, job.plan.parent)
            _check_unchanged(folder / "runs" / name, plan)
            own = replace(base_job, plan=plan, scenario=scenario)
            found.append(Variant(name, settings, seed, own, folder / "runs" / name))
    return found


def run_sweep(
    found: Sequence[Variant],
    runner: str,
    n_workers: int | None,
    say: Callable[[str], None],
    watch: Watch | None = None,
) -> dict[str, str]:
    """Make the unfinished runs; return name -> error of those that failed.

    The sweep decodes the images once, before the first run; `watch` follows that.
    """
    left = [v for v in found if not _is_finished(v)]
    for variant in {load_plan(v.job.plan).images.model_dump_json(): v for v in left}.values():
        variant.job.hospitals(load_plan(variant.job.plan), variant.folder.parent, watch)
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


def _is_of_scenario(key: str) -> bool:
    return key == SCENARIO or key.startswith(PARTITION)


def _scenario(base: Scenario, chosen: Mapping[str, Value]) -> Scenario:
    scenario = base
    if SCENARIO in chosen:
        partition = scenario.partition
        scenario = load_scenario(Path(str(chosen[SCENARIO])))
        if "partition" not in scenario.model_fields_set:
            scenario = scenario.model_copy(update={"partition": partition})
    changes = {k.removeprefix(PARTITION): v for k, v in chosen.items() if k.startswith(PARTITION)}
    values = scenario.model_dump()
    values["partition"] = {**values["partition"], **changes}
    return check(Scenario, values, "the sweep's scenario")


def _write_plan(
    path: Path, base: dict[str, Value], changes: Mapping[str, Value], home: Path
) -> None:
    """Write the base plan with some settings changed; raises ConfigError if it is not valid."""
    from medfl_server.study.plan_check import check_plan  # imports torch and Flower

    values: dict[str, Value] = yaml.safe_load(yaml.safe_dump(base))
    for place, value in changes.items():
        *sections, name = place.split(".")
        inner: dict[str, Value] = values
        for section in sections:
            if not isinstance(inner.get(section), dict):
                inner[section] = {}
            inner = inner[section]  # type: ignore[assignment]
        inner[name] = value
    _make_absolute(values, home)
    name = f"the plan of {path.stem}"
    check_plan(check(Plan, values, name), name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, yaml.safe_dump(values, sort_keys=False).encode())


def _make_absolute(values: dict[str, Value], home: Path) -> None:
    """Return the path of a file of initial weights, which is relative to the plan."""
    model = values.get("model")
    weights = model.get("weights") if isinstance(model, dict) else None
    if isinstance(weights, dict) and isinstance(weights.get("file"), str):
        weights["file"] = str((home / str(weights["file"])).resolve())


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
