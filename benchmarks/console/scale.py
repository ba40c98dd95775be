"""A study of thousands of rounds on the disk, as the round loop writes it; and what its log costs.

    scale.py write FOLDER ROUNDS SITES [inline]   inline: counts in the log, as once
    scale.py measure FOLDER                       bytes a line, and CPU of what reads and writes it

The rounds repeat 100 made ones, whose scores rise; who is away changes. Nothing is synced.
"""

import json
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from medfl_common.metrics.counts import N_COARSE_BINS, ScoreCounts, coarser, histogram
from medfl_common.run.checkpoint_facts import checkpoint_facts
from medfl_common.run.events import Asked, Event, Finished, RoundMade, SiteReply, Started, event_of
from medfl_common.run.following import NewLines
from medfl_common.run.log import RunLog, read_lines
from medfl_server.reports.line_scores import curves, with_scores
from medfl_server.rounds.course import Course
from medfl_server.study.run_directory import create_study

PLAN = """\
plan: 1
study: scale
seed: 0
task: {{type: binary, classes: [without, with]}}
images: {{modality: [DX], size: 64}}
model: {{name: small_cnn}}
federation: {{rounds: {rounds}}}
"""
N_MADE, N_IMAGES = 100, 140  # rounds that differ; images that a site scores
AWAY = 0.05  # of the sites, in each round
FIRST = 1_790_000_000.0  # seconds since 1970


def write(folder: Path, n_rounds: int, n_sites: int, is_inline: bool) -> None:
    """Write a run directory with so many rounds of so many sites."""
    folder.mkdir(parents=True)
    plan = folder.with_name(f"{folder.name}.yaml")
    plan.write_text(PLAN.format(rounds=n_rounds))
    study, rng = create_study(folder, plan), np.random.default_rng(0)
    plan.unlink()
    names = [f"hospital-{number:03d}" for number in range(1, n_sites + 1)]
    keys = {"transport": "no key", "signing": "no key"}
    study.files.roster.write_text(json.dumps(dict.fromkeys(names, keys)))
    made = [round_facts(names, place / N_MADE, rng) for place in range(min(N_MADE, n_rounds))]
    log = RunLog(folder)
    with patch("os.fsync"):
        add: Callable[[Event], None] = log.add
        if is_inline:
            add = inline(study.files.log)
        add(Started.of(names, "0" * 64))
        for number in range(1, n_rounds + 1):
            facts = made[number * len(made) // (n_rounds + 1)]
            facts = {**facts, "round": number, "best": {"round": number - 1, "value": 0.7}}
            add(RoundMade.of_checkpoint(f"{number:064x}", facts))


def inline(path: Path) -> Callable[[Event], None]:
    """Write lines as versions before did: with their counts, without scores."""

    def add(event: Event) -> None:
        facts = {key: value for key, value in event.facts.items() if key != "scores"}
        with path.open("a") as file:
            file.write(json.dumps({"event": event.kind, "time": FIRST, **facts}) + "\n")

    return add


def round_facts(names: list[str], part: float, rng: np.random.Generator) -> dict[str, Any]:
    """Give what the log keeps of a round; the model gets better from part 0 to 1."""
    present = [name for name in names if rng.random() >= AWAY] or names
    sites = {name: reply(part, rng) for name in present}
    missing = {name: "not connected" for name in names if name not in sites}
    return checkpoint_facts(with_scores(Asked.of_replies(0, 31.4, sites, missing)), None)


def reply(part: float, rng: np.random.Generator) -> SiteReply:
    """Give a site's reply, as a hospital of 140 held-out images tells it in a round."""
    truth = rng.random(N_IMAGES) < 0.4
    odds = rng.normal(size=N_IMAGES) + 2 * part * (truth - 0.5)
    table = np.zeros((2, 2), np.int64)
    np.add.at(table, (truth.astype(int), (odds > 0).astype(int)), 1)
    positive, negative = (histogram(odds[kind])[None] for kind in (truth, ~truth))
    counts = coarser(ScoreCounts(N_IMAGES, 0.69 - 0.2 * part, table, positive, negative),
                     N_COARSE_BINS, 1)  # fmt: skip
    return SiteReply.of_work(
        n_images=500, n_steps=16, train_loss=0.6 - 0.2 * part, seconds=25.123, waited=28.456,
        bytes_received=412_345, bytes_sent=398_765, sha256="a" * 64, for_round=None,
        score_counts=counts, exact_auc=0.75, groups={},
        compared={"norm": 0.123456789, "cosine": 0.87654321},
        versions={"medfl": "0.1.0", "torch": "2.14.1", "python": "3.11"},
    )  # fmt: skip


def measure(folder: Path) -> dict[str, object]:
    """Say what the log of a run directory costs; CPU seconds of this process."""
    log, path, course = RunLog(folder), RunLog(folder).path, Course()
    made, _ = cpu(lambda: log.read(RoundMade))
    events = log.read(Event)
    rounds = [event for event in events if isinstance(event, RoundMade)]
    whole = {k: v for k, v in whole_facts(rounds[-1]).items() if k not in ("event", "time")}
    beside = path.with_name("tallies.jsonl")
    n_sites = np.mean([len(event.sites) for event in rounds[-N_MADE:]])
    each = {
        "rounds": len(rounds),
        "sites": round(float(n_sites), 1),
        "log_bytes_a_round": round(path.stat().st_size / len(rounds)),
        "tally_bytes_a_round": round(beside.stat().st_size / len(rounds)) if beside.exists() else 0,
        "read_all_rounds_s": made,
        "read_finished_s": cpu(lambda: log.read(Finished))[0],
        "begin_course_s": cpu(lambda: course.begin(log.read(Event)))[0],
        "follow_from_start_s": cpu(lambda: deque(map(event_of, NewLines(path)()), maxlen=1))[0],
        "curves_s": cpu(lambda: curves(rounds, "auc"))[0],
        "scores_ms": 1e3 * cpu(lambda: with_scores(Asked(whole)), 5)[0],
    }
    return {**each, **of_one_more(log, folder, course, whole)}


def of_one_more(
    log: RunLog, folder: Path, course: Course, facts: dict[str, Any]
) -> dict[str, float]:
    """Measure one more round; then cut the files to what they were."""
    files = [log.path, folder / "tallies.jsonl"]
    sizes = [path.stat().st_size if path.exists() else 0 for path in files]
    new_lines, event = NewLines(log.path), RoundMade.of_checkpoint("b" * 64, facts)
    [*new_lines()]

    def once() -> None:
        log.add(event)
        course.note(event)

    def as_before() -> None:  # what the loop read of its log in each round
        rounds = [event_of(line) for line in read_lines(log.path)]
        _ = {s: r.n_images for e in rounds if isinstance(e, RoundMade) for s, r in e.sites.items()}

    with patch("os.fsync"):
        written = 1e3 * cpu(once, 20)[0]
    followed = 1e3 * cpu(lambda: [event_of(line) for line in new_lines()])[0] / 20
    found = {"write_and_note_ms": written, "follow_ms": followed}
    found["read_it_all_ms"] = 1e3 * cpu(as_before)[0]
    for path, size in zip(files, sizes, strict=True):
        with path.open("r+b") as file:
            file.truncate(size)
    return found


def whole_facts(event: RoundMade) -> dict[str, Any]:
    """Give an event's facts with its counts."""
    sites = {site: dict(reply.facts) for site, reply in event.sites.items()}
    return {**{k: v for k, v in event.facts.items() if k != "scores"}, "sites": sites}


def cpu(do: Callable[[], object], times: int = 1) -> tuple[float, object]:
    """Do something; give the CPU seconds that each time took, and what came of the last."""
    began, found = time.process_time(), None
    for _ in range(times):
        found = do()
    return (time.process_time() - began) / times, found


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"] and len(sys.argv) in (5, 6):
        write(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:] == ["inline"])
    elif sys.argv[1:2] == ["measure"] and len(sys.argv) == 3:
        print(json.dumps(measure(Path(sys.argv[2])), indent=1))
    else:
        sys.exit(__doc__)
