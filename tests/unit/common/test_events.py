import ast
import json
from collections import Counter
from pathlib import Path

import pytest

from medfl_common.run.checkpoint_facts import checkpoint_facts
from medfl_common.run.events import KINDS, Asked, Event, Finished, RoundMade, SiteReply, Started
from medfl_common.run.log import RunLog

ROOT = Path(__file__).parents[3]
LOG = ROOT / "tests" / "golden" / "run" / "log.jsonl"
LINES = [json.loads(line) for line in LOG.read_text().splitlines()]


def test_every_line_of_an_earlier_log_has_a_type() -> None:
    events = RunLog(LOG.parent).read(Event)

    assert [event.kind for event in events] == [line["event"] for line in LINES]
    assert all(event.time == line["time"] for event, line in zip(events, LINES, strict=True))


def test_a_reply_that_is_written_again_is_the_same_line() -> None:
    for line in LINES:
        if line["event"] not in ("round", "finished"):
            continue
        for facts in line["sites"].values():
            reply = SiteReply(facts)
            compared = {name: facts[name] for name in ("norm", "cosine") if name in facts}
            groups = {
                kind: [reply.group(kind, i) for i in range(len(counts))]
                for kind, counts in facts.get("groups", {}).items()
            }
            if any(None in counts for counts in groups.values()):
                continue
            again = SiteReply.of_work(
                n_images=reply.n_images, n_steps=reply.n_steps, train_loss=reply.train_loss,
                seconds=facts["seconds"], bytes_received=reply.bytes_received,
                bytes_sent=reply.bytes_sent, sha256=facts["sha256"],
                for_round=facts.get("for_round"), score_counts=reply.score_counts,
                exact_auc=reply.exact_auc, groups=groups, compared=compared,
            )  # fmt: skip

            assert json.dumps(again.facts) == json.dumps(facts)


def test_a_round_and_an_end_that_are_written_again_are_the_same_lines() -> None:
    found = Counter(line["event"] for line in LINES)
    assert found["round"] >= 1 and found["finished"] == 1  # noqa: PT018
    for event, line in zip(RunLog(LOG.parent).read(Event), LINES, strict=True):
        rest = {k: v for k, v in line.items() if k not in ("event", "time")}
        if isinstance(event, RoundMade | Finished):
            seconds, sites = event.facts["seconds"], event.sites
            asked = Asked.of_replies(event.round, seconds, sites, event.missing)
            if isinstance(event, RoundMade):
                facts = checkpoint_facts(asked, event.best, rest.get("in_flight"))
                again: Event = RoundMade.of_checkpoint(event.sha256, facts)
            else:
                again = Finished.of_end(event.sha256, asked, event.best, event.last, event.choice)
            assert json.dumps(again.facts) == json.dumps(rest)
        if isinstance(event, Started):
            assert Started.of(event.roster, rest["sha256"]).facts == rest


def test_a_kind_of_a_later_version_is_an_event_of_which_only_the_time_is_known(
    tmp_path: Path,
) -> None:
    (tmp_path / "log.jsonl").write_text('{"event": "eclipse", "time": 7.5, "moon": 1}\n')

    (event,) = RunLog(tmp_path).read(Event)

    assert (type(event), event.time) == (Event, 7.5)


@pytest.mark.parametrize("package", ["common", "client", "server", "sim"])
def test_no_other_file_reads_or_writes_the_kind_of_an_event(package: str) -> None:
    allowed = {
        f"common/medfl_common/run/{name}.py"
        for name in ("events", "decisions", "log", "site_reply")
    }
    kinds = {*KINDS} - {
        "compared",
        "statistics",
        "started",
        "finished",
        "paused",
        "stopped",
        "round",
        "scored",
        "tested",
    }
    for path in (ROOT / package).rglob("*.py"):
        if path.relative_to(ROOT).as_posix() in allowed:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            is_kind = isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
            assert not (is_kind and node.slice.value == "event"), path  # type: ignore[attr-defined]
            assert not (isinstance(node, ast.Constant) and node.value in kinds), path
