"""A search for the best settings by Optuna (pip install 'medfl[search]').

The tree-structured Parzen estimator proposes settings from the scores so far. Bergstra, Bardenet,
Bengio, Kegl: Algorithms for hyper-parameter optimization. NIPS 2011. Each trial is ordinary runs,
one for each seed. Its draws follow from the plan's seed and runs are never repeated, so the same
command goes on after a stop, and a larger number of trials makes only what is new.
"""

import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from medfl_client.data.ingest import Watch
from medfl_common.errors import ConfigError
from medfl_common.plan.bounds import Value
from medfl_common.plan.plan import load_plan
from medfl_sim.runs.directories import CHOICE
from medfl_sim.runs.job import Job
from medfl_sim.sweeps.factors import says_the_data
from medfl_sim.sweeps.sweep import (
    RANGE,
    Variant,
    is_of_data,
    places_of,
    read_vary,
    run_sweep,
    variants,
)
from medfl_sim.sweeps.table import Result, by_settings, label, mean_of, n_seeds, part_of, results

N_RANDOM = 10  # trials that are drawn before the scores count; they run side by side


@dataclass(frozen=True)
class Range:
    """Numbers from low to high; whole ones if both ends are."""

    low: float
    high: float
    is_log: bool
    is_whole: bool


Space = Mapping[str, Range | Sequence[Value]]


def read_space(texts: Iterable[str]) -> Space:
    """Read `KEY=LOW..HIGH`, `KEY=LOW..HIGH:log` and `KEY=VALUE,VALUE`."""
    space: dict[str, Range | Sequence[Value]] = {}
    for text in texts:
        key, _, rest = text.partition("=")
        if key in space:
            raise ConfigError(f"--vary {key} occurs twice", todo="write its values once")
        ends = RANGE.fullmatch(rest.strip())
        if ends is None and ".." in rest and not is_of_data(key):
            raise ConfigError(
                f"--vary {text} is no range",
                todo="write KEY=LOW..HIGH or KEY=LOW..HIGH:log with two numbers",
            )
        space[key] = read_vary([text])[key] if ends is None else _range(text, *ends.groups())
    for key, place in places_of(space).items():
        if says_the_data(place):
            raise ConfigError(
                f"--vary {key}: with it other patients are scored, so no value is the better one",
                todo="search settings of the plan; a sweep without --search compares the data",
            )
    if not space:
        raise ConfigError("--search needs settings to search", todo="name them with --vary")
    return space


def _range(text: str, low: str, high: str, log: str | None) -> Range:
    is_whole = all(re.fullmatch(r"[-+]?[0-9]+", end) for end in (low, high))
    try:
        found = Range(float(low), float(high), log is not None, is_whole)
    except ValueError:
        raise ConfigError(f"--vary {text} is no range", todo="write KEY=LOW..HIGH") from None
    if found.low >= found.high or (found.is_log and found.low <= 0):
        raise ConfigError(
            f"--vary {text} is no range",
            todo="write the lower end first; a range with :log begins above 0",
        )
    return found


@dataclass
class Search:
    """The trials of one search, in the order of their settings."""

    job: Job
    vary: Sequence[str]
    n_seeds: int
    folder: Path
    say: Callable[[str], None]
    found: dict[str, Result] = field(default_factory=dict)  # name of a run -> its figures

    def run(
        self, n_trials: int, runner: str, n_workers: int | None, watch: Watch | None = None
    ) -> list[Result]:
        """Try so many settings; return every run. Raises ConfigError if no setting is valid."""
        optuna = _optuna()
        space = read_space(self.vary)
        sampler = optuna.samplers.TPESampler(
            seed=load_plan(self.job.plan).seed % 2**32, n_startup_trials=N_RANDOM
        )
        study = optuna.create_study(direction="maximize", sampler=sampler)
        wrong: list[ConfigError] = []
        decoded: set[str] = set()
        for n_done in _batches(n_trials):
            asked = []
            for _ in n_done:
                trial = study.ask()
                try:
                    asked.append((trial, self._variants(_suggested(trial, space))))
                except ConfigError as error:
                    wrong.append(error)
                    self.say(f"trial {trial.number + 1} cannot be: {error}")
                    study.tell(trial, state=optuna.trial.TrialState.FAIL)
            runs = {v.name: v for _, own in asked for v in own}
            every = [*runs.values()]
            failed = run_sweep(every, runner, n_workers, self.say, watch, decoded)
            self.found |= {r.variant.name: r for r in results(every, failed)}
            for trial, own in asked:
                value = self._value(own)
                state = None if value is not None else optuna.trial.TrialState.FAIL
                study.tell(trial, value, state=state)
                text = "no AUC" if value is None else f"{CHOICE} AUC {value:.3f}"
                self.say(f"trial {trial.number + 1} of {n_trials}: {text}, {_named(own)}")
        if not self.found:
            raise wrong[-1]
        return [*self.found.values()]

    def _variants(self, chosen: Mapping[str, Value]) -> list[Variant]:
        vary = {key: [value] for key, value in chosen.items()}
        return variants(self.job, vary, self.n_seeds, self.folder)

    def _value(self, own: Sequence[Variant]) -> float | None:
        """Average a trial's AUC over its seeds, on the part that chooses; None if one has none."""
        values = [self.found[variant.name].choice for variant in own]
        known = [value for value in values if value is not None]
        return statistics.fmean(known) if len(known) == len(values) else None


def told(found: Sequence[Result]) -> str:
    """Name the setting with the best mean on the part that chooses, and what it has where told."""
    means = {
        settings: statistics.fmean(known)
        for settings, group in by_settings(found).items()
        if len(known := [r.choice for r in group if r.choice is not None]) == len(group)
    }
    if not means:
        return "No setting has an AUC over all hospitals."
    best, part = max(means, key=lambda settings: means[settings]), part_of(found)
    mean = mean_of(by_settings(found)[best], "auc")
    names = found[0].variant.settings
    chosen = label([f"{name} {value}" for name, value in zip(names, best, strict=True)])
    said = (
        f"Of {len(means)} settings the {CHOICE} part chooses {chosen}; on the {part} part its AUC "
        f"is {mean.text('auc')} over {n_seeds(mean.n)}."
    )
    if part == CHOICE:
        said += " The same part chose it and tells of it, so the figure is too good."
    return said


def _optuna() -> Any:
    try:
        optuna: Any = import_module("optuna")
    except ImportError:
        raise ConfigError("--search needs Optuna", todo="pip install 'medfl[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _batches(n_trials: int) -> Iterable[range]:
    """Give the random trials at once, then one after the other: no machine changes the course."""
    n_first = min(N_RANDOM, n_trials)
    return [range(n_first), *(range(1) for _ in range(n_trials - n_first))]


def _suggested(trial: Any, space: Space) -> dict[str, Value]:
    chosen: dict[str, Value] = {}
    for key, values in space.items():
        if not isinstance(values, Range):
            chosen[key] = values[trial.suggest_categorical(key, [*range(len(values))])]
        elif values.is_whole:
            low, high = int(values.low), int(values.high)
            chosen[key] = trial.suggest_int(key, low, high, log=values.is_log)
        else:
            drawn = trial.suggest_float(key, values.low, values.high, log=values.is_log)
            chosen[key] = float(f"{drawn:.4g}")  # short enough for the name of a run
    return chosen


def _named(own: Sequence[Variant]) -> str:
    return ", ".join(f"{key} {value}" for key, value in own[0].settings.items())
