"""The round loop reads its log once: a round costs the same after one round and after thousands."""

from pathlib import Path

import pytest
from tests.conftest import MakePlan
from tests.unit.server.slow_post import SlowPost

from medfl_common.run import log as run_log
from medfl_common.run.events import Event, RoundMade
from medfl_server.rounds.course import Course
from medfl_server.rounds.loop import RoundLoop
from medfl_server.study.run_directory import create_study


def test_no_round_reads_the_log_again(
    tmp_path: Path, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    federation = {"rounds": 5, "deadline_s": "auto", "statistics": True}
    plan = make_plan(federation=federation, evaluation={"outside": "rounds"})
    study, read = create_study(tmp_path / "s", plan), list[int]()
    whole, n_read = run_log._whole_lines, 0

    def counted(path: Path) -> object:
        nonlocal n_read
        n_read += 1
        return whole(path)

    def announce(line: str) -> None:
        if line.startswith("round "):
            read.append(n_read)

    monkeypatch.setattr(run_log, "_whole_lines", counted)
    post = SlowPost({"a": 0.0, "b": 0.0})
    RoundLoop(study, post, announce, lambda progress: None, sites_keep_models=False).run()

    assert len(read) == 5
    assert read[1:] == [read[0]] * 4


def test_a_course_that_was_followed_is_that_of_the_log(tmp_path: Path, make_plan: MakePlan) -> None:
    post = SlowPost({"a": 0.0, "b": 0.1})
    study = post.run(tmp_path / "s", make_plan(federation={"rounds": 4}))
    events, followed, read = study.log.read(Event), Course(), Course()
    for event in events:
        followed.note(event)
    read.begin(events)

    assert (followed.has_started, followed.is_finished) == (True, True)
    assert followed.n_trained == read.n_trained == {"a": 5, "b": 5}
    newest = [
        reply.norm for event in study.log.read(RoundMade)[-3:] for reply in event.sites.values()
    ]
    assert followed.norms() == read.norms() == newest
    assert followed.times.slowest() == read.times.slowest()
