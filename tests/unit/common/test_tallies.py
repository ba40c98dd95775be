"""Counts stand beside the run log, and are those that it was written with."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medfl_common.errors import RunError
from medfl_common.metrics.counts import N_BINS, ScoreCounts
from medfl_common.run.checkpoint_facts import checkpoint_facts
from medfl_common.run.decisions import TakenBack
from medfl_common.run.events import Asked, Finished, RoundMade, event_of
from medfl_common.run.log import RunLog
from medfl_common.run.site_reply import SiteReply

OLD = Path(__file__).parents[2] / "golden" / "run"


def counts(n: int) -> ScoreCounts:
    histogram = np.zeros((1, N_BINS), np.int64)
    histogram[0, n % N_BINS] = n
    return ScoreCounts(n, 0.5, np.array([[n, 0], [0, n]]), histogram, histogram)


def round_of(number: int, **sites: ScoreCounts | None) -> RoundMade:
    """Make a round's event; a site with None withholds its scores."""
    replies = {
        site: SiteReply.of_work(
            n_images=9, n_steps=1, train_loss=0.7, seconds=1.0, bytes_received=8, bytes_sent=8,
            sha256="00", for_round=None, score_counts=own, exact_auc=None, compared={},
            groups={} if own is None else {"sex": [own, own]},
        )
        for site, own in sites.items()
    }  # fmt: skip
    asked = Asked.of_replies(number, 1.0, replies, {})
    return RoundMade.of_checkpoint("11", checkpoint_facts(asked, None))


def as_told(event: Asked) -> str:
    return json.dumps({site: dict(reply.facts) for site, reply in event.sites.items()})


def n_in(log: RunLog) -> list[int | None]:
    return [event.sites["a"].n_scored for event in log.read(RoundMade)]


def files(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Read the lines of the log, and those of the counts."""
    texts = ((folder / name).read_text() for name in ("log.jsonl", "tallies.jsonl"))
    log, tallies = ([json.loads(line) for line in text.splitlines() if line] for text in texts)
    return log, tallies


def test_counts_are_read_back_as_they_were_and_are_not_in_the_log(tmp_path: Path) -> None:
    log, told = RunLog(tmp_path), [round_of(1, a=counts(7), b=None), round_of(2, a=counts(8))]
    for event in told:
        log.add(event)

    lines, tallies = files(tmp_path)
    assert not {"tally", "groups"} & set(lines[0]["sites"]["a"])
    assert lines[0]["sites"]["a"]["n_scored"] == 7
    assert [line["event"] for line in tallies] == ["round", "round"]
    first, second = log.read(RoundMade)
    for event, was in zip((first, second), told, strict=True):
        for site, reply in was.sites.items():
            again = {k: v for k, v in event.sites[site].facts.items() if k != "n_scored"}
            assert again == reply.facts
    assert first.sites["b"].score_counts is None
    assert first.sites["b"].n_scored is None


def test_an_event_that_was_read_is_written_again_whole(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    log, copy = RunLog(tmp_path), RunLog(tmp_path / "copy")
    copy.add(round_of(5, a=counts(1)))
    log.add(round_of(1, a=counts(7)))

    facts = log.read(RoundMade)[0].facts
    copy.add(RoundMade({k: v for k, v in facts.items() if k not in ("event", "time")}))

    assert as_told(copy.read(RoundMade)[1]) == as_told(log.read(RoundMade)[0])


def test_no_counts_are_read_where_nobody_asks_for_them(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.add(round_of(1, a=counts(7)))
    (tmp_path / "tallies.jsonl").unlink()

    (event,) = log.read(RoundMade)
    assert (event.sites["a"].n_images, event.sites["a"].n_scored) == (9, 7)
    assert event.sites["a"].membership is None
    with pytest.raises(RunError, match="has not the counts of round 1") as told:
        _ = event.sites["a"].score_counts
    assert "from one copy" in told.value.todo


@pytest.mark.parametrize("damage", [b'"n": 9', b""])
def test_other_counts_than_the_log_was_written_with_are_refused(
    damage: bytes, tmp_path: Path
) -> None:
    log = RunLog(tmp_path)
    log.add(round_of(1, a=counts(7)))
    path = tmp_path / "tallies.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"n": 7', damage, 1))

    with pytest.raises(RunError, match="damaged or another run's"):
        _ = log.read(RoundMade)[0].sites["a"].score_counts


def test_a_line_without_its_counts_does_not_say_that_there_are_none(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.add(round_of(1, a=counts(7)))

    event = event_of(log.lines()[0])
    assert isinstance(event, RoundMade)
    with pytest.raises(ValueError, match="RunLog reads both"):
        _ = event.sites["a"].score_counts


def test_a_crash_between_the_two_files_costs_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RunLog(tmp_path)
    log.add(round_of(1, a=counts(7)))

    def killed(self: RunLog, facts: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunLog, "_append", killed)
        with pytest.raises(KeyboardInterrupt):
            log.add(round_of(2, a=counts(8)))
    path = tmp_path / "tallies.jsonl"
    assert len(files(tmp_path)[1]) == 2  # counts that no line of the log names
    path.write_bytes(path.read_bytes()[:-20])  # and which a crash tore

    again = RunLog(tmp_path)
    again.add(round_of(2, a=counts(8)))

    assert n_in(again) == [7, 8]
    assert [e.sites["a"].score_counts.n for e in again.read(RoundMade)] == [7, 8]  # type: ignore[union-attr]


def test_a_full_disk_leaves_both_files_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RunLog(tmp_path)
    log.add(round_of(1, a=counts(7)))
    before = [(tmp_path / name).read_bytes() for name in ("log.jsonl", "tallies.jsonl")]

    def full(self: RunLog, facts: object) -> None:
        raise OSError(28, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(RunLog, "_append", full)
        with pytest.raises(OSError, match="no space"):
            log.add(round_of(2, a=counts(8)))

    assert before == [(tmp_path / name).read_bytes() for name in ("log.jsonl", "tallies.jsonl")]


def test_rounds_that_are_taken_back_and_made_again_have_their_own_counts(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    for number in (1, 2, 3):
        log.add(round_of(number, a=counts(number)))
    log.take_back_rounds(after=2)
    log.add(round_of(3, a=counts(30)))
    log.add(Finished.of_end("22", round_of(3, a=counts(33)), None, 3, None))
    log.go_on(TakenBack.without(1, "b", 2, "run", "somebody"), 1)
    log.add(round_of(2, a=counts(20)))

    assert [e.sites["a"].score_counts.n for e in log.read(RoundMade)] == [1, 20]  # type: ignore[union-attr]
    assert not log.read(Finished)


def test_a_log_of_an_earlier_version_opens_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_bytes((OLD / "log.jsonl").read_bytes())
    log = RunLog(tmp_path)
    before = [as_told(event) for event in log.read(RoundMade)]
    log.add(round_of(9, a=counts(7)))

    events = log.read(RoundMade)
    assert [as_told(event) for event in events][:-1] == before
    assert all(reply.score_counts for event in events for reply in event.sites.values())


def test_events_of_a_kind_are_read_without_parsing_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, parsed = RunLog(tmp_path), list[bytes]()
    log.add(round_of(1, a=counts(7)))
    log.add(Finished.of_end("22", round_of(1, a=counts(33)), None, 1, None))

    real = json.loads

    def loads(line: bytes) -> Any:
        parsed.append(line)
        return real(line)

    monkeypatch.setattr("medfl_common.run.log.json.loads", loads)
    assert len(log.read(Finished)) == 1
    assert len(parsed) == 1
