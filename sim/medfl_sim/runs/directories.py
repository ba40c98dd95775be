"""Read run directories, for ls, show and compare."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medfl_common.errors import ConfigError, MedflError
from medfl_common.run.events import (
    Asked,
    Event,
    Finished,
    ModelScored,
    Paused,
    RoundMade,
    Started,
)
from medfl_common.run.folder import RunFolder
from medfl_common.run.log import RunLog
from medfl_server.reports.line_scores import curves
from medfl_server.reports.scores import (
    ALL,
    Scored,
    model_round,
    part_of,
    score_sites,
    shown_event,
)
from medfl_server.reports.sections.shared import main_score, second_score
from medfl_server.study.run_directory import Study, open_study

CHOICE = "validation"  # the part of the patients that chooses rounds and settings

DEPTH = 4  # levels of sub-folders in which to search for runs
LS_HEADER = [
    "run", "study", "plan", "hospitals", "rounds", "state", "score", "of part", "last change",
]  # fmt: skip
OF_SEVERAL = "score", "second score"  # in the header of runs that are scored in different ways

Rows = list[list[str]]


@dataclass(frozen=True)
class Facts:
    """What the log of one run says."""

    study: Study
    state: str
    n_hospitals: int
    n_rounds: int  # made
    seconds: float  # of all rounds
    mb_received: float
    scored: Scored | None  # the kept model, or the newest; over all hospitals
    scored_round: int | None  # the model that has these scores
    part: str  # of the data, that these scores are from
    validation: Scored | None  # the same model on the part that chooses, CHOICE


def curve(study: Study, value: str = "", site: str = ALL) -> tuple[list[float], list[float]]:
    """Return (rounds made, `value` of the model after them), in order; empty if none is known.

    Without `value` it is the AUC, a segmentation's Dice, or a detection's FROC.

    The final model may be of an earlier round, which the list holds already.
    """
    events = scored_events(study.log)
    value = value or main_score(study.plan)[0]
    points = dict(zip(*curves(events, value, study.plan).get(site, ([], [])), strict=True))
    return sorted(points), [points[round_] for round_ in sorted(points)]


def find_runs(folder: Path) -> list[Path]:
    """List the run directories at a folder or below it, the last changed at the end."""
    return sorted(_runs_in(folder, DEPTH), key=_changed)


def _runs_in(folder: Path, depth: int) -> Iterator[Path]:
    if RunFolder(folder).facts.exists():
        yield folder
    elif depth and folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.is_dir() and not path.is_symlink():
                yield from _runs_in(path, depth - 1)


def facts_of(folder: Path) -> Facts:
    """Read one run directory; raises RunError if it is none."""
    study = open_study(folder)
    events = study.log.read(Event)
    rounds = [event for event in events if isinstance(event, RoundMade)]
    roster = next((event.roster for event in events if isinstance(event, Started)), [])
    newest = shown_event(events)
    validated = [event for event in events if isinstance(event, RoundMade | Finished)]
    replies = [reply for event in rounds for reply in event.sites.values()]
    return Facts(
        study=study,
        state=_state(events),
        n_hospitals=len(roster),
        n_rounds=len(rounds),
        seconds=sum(event.seconds for event in rounds),
        mb_received=sum(reply.bytes_received for reply in replies) / 1e6,
        scored=score_sites(newest).get(ALL) if newest else None,
        scored_round=model_round(newest) if newest else None,
        part=part_of(newest) if newest else CHOICE,
        validation=score_sites(validated[-1]).get(ALL) if validated else None,
    )


def scored_events(log: RunLog) -> list[Asked]:
    """List the events that hold scores of a model, in the order written."""
    return [e for e in log.read(Asked) if isinstance(e, RoundMade | ModelScored | Finished)]


def _state(events: Sequence[Event]) -> str:
    """Return a run's state; a log cannot tell a stopped run from a running one."""
    if any(isinstance(event, Finished) for event in events):  # more may be scored after it
        return Finished.kind
    last = events[-1] if events else None
    if last is None or isinstance(last, Paused):
        return last.kind if last else "created"
    return "running or stopped"


def list_rows(folder: Path) -> Rows:
    """List a row for each run below a folder; a damaged run's row says so."""
    return [_list_row(path, folder) for path in find_runs(folder)]


def _list_row(path: Path, folder: Path) -> list[str]:
    name = path.name if path == folder else path.relative_to(folder).as_posix()
    changed = datetime.fromtimestamp(_changed(path), UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    try:
        facts = facts_of(path)
    except ConfigError:  # its plan is none here, such as one with own parts without --import
        return [name, "medfl-sim show says why", *[""] * (len(LS_HEADER) - 3), changed]
    except (MedflError, ValueError, KeyError, OSError):
        return [name, "damaged", *[""] * (len(LS_HEADER) - 3), changed]
    plan = facts.study.plan
    return [
        name, plan.study, plan.hash()[:8], str(facts.n_hospitals),
        f"{facts.n_rounds}/{plan.federation.rounds}", facts.state, _named_score(facts),
        facts.part, changed,
    ]  # fmt: skip


def _changed(path: Path) -> float:
    log = RunFolder(path).log
    return (log if log.exists() else path).stat().st_mtime


def _named_score(facts: Facts) -> str:
    """Write the AUC, Dice or FROC over all hospitals, with its name."""
    if facts.scored is None:
        return "none shared"
    name, word = main_score(facts.study.plan)
    return f"{word} {facts.scored.text(name)}"


def score_words(runs: Sequence[Facts]) -> tuple[str, str]:
    """Name the two scores that all runs have; OF_SEVERAL where they have not the same."""
    plans = [facts.study.plan for facts in runs]
    found = {(main_score(plan)[1], second_score(plan)[1]) for plan in plans}
    return found.pop() if len(found) == 1 else OF_SEVERAL


def compare_header(runs: Sequence[Facts]) -> list[str]:
    """Name the columns of `compare_rows`."""
    first, second = score_words(runs)
    return ["run", "state", first, second, "loss", "of part", "model of round", "rounds",
            "seconds", "MB received"]  # fmt: skip


def compare_rows(runs: Sequence[Facts]) -> Rows:
    """List a row of figures for each run; a score has its name where the header has none."""
    rows, is_named = [], score_words(runs) == OF_SEVERAL
    for facts in runs:
        scored, values = facts.scored, ["none shared", "n/a", "n/a"]
        if scored is not None:
            scores = main_score(facts.study.plan), second_score(facts.study.plan)
            values = [f"{word} " * is_named + scored.text(name) for name, word in scores]
            values.append(scored.text("loss"))
        rows.append([
            str(facts.study.folder), facts.state, *values, facts.part,
            "n/a" if facts.scored_round is None else str(facts.scored_round),
            f"{facts.n_rounds}/{facts.study.plan.federation.rounds}",
            f"{facts.seconds:.1f}", f"{facts.mb_received:.1f}",
        ])  # fmt: skip
    return rows


def settings_that_differ(runs: Sequence[Facts]) -> Rows:
    """List rows of (setting, its value in each run) of plan and scenario where runs differ."""
    settings = [
        flat(facts.study.plan.model_dump(mode="json")) | flat(scenario_of(facts), "scenario.")
        for facts in runs
    ]
    names = dict.fromkeys(name for one in settings for name in one if name != "study")
    return [
        [name, *(one.get(name, "not set") for one in settings)]
        for name in names
        if len({one.get(name) for one in settings}) > 1
    ]


def scenario_of(facts: Facts) -> dict[str, Any]:
    """Read a run's scenario; empty if it has none, as a real study."""
    path = facts.study.files.scenario
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Name settings by dots, with their values as text: federation.rounds."""
    found: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = str(value)
    return found
