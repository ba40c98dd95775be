"""A site that needs five times the deadline: what it is asked, what counts, and what is said."""

import math
from pathlib import Path

import pytest
from tests.conftest import MakePlan
from tests.unit.server.slow_post import SlowPost, says

from medfl_common.run.events import LateReply, RoundMade, RoundWithoutQuorum
from medfl_server.reports.report import write_report
from medfl_server.rounds.paused import PausedError

NO_SCORES: dict[str, object] = {"validation": 0, "test": 0}
SECONDS = {"north": 0.0, "south": 0.0, "west": 5.0}


def test_a_site_at_work_on_a_closed_round_is_asked_again_when_it_is_free(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    post = SlowPost(SECONDS, until=says("round 3 of"))
    federation = {"rounds": 1000, "min_sites": 2, "deadline_s": 1}
    plan = make_plan(federation=federation, evaluation=NO_SCORES)

    study = post.run(tmp_path / "study", plan, stop=lambda said: len(post.tasks["west"]) == 2)

    first, *others, last = study.log.read(RoundMade)
    assert first.missing == last.missing == {"west": "no reply before the deadline"}
    assert len(others) >= 2
    assert {event.missing["west"] for event in others} == {"still at work on round 1"}
    assert [task.round for task in post.tasks["west"]] == [1, last.round]
    (late,) = study.log.read(LateReply)
    assert (late.site, late.facts["round"]) == ("west", 1)
    assert late.seconds >= 5
    assert "still at work on round 1, asked again when free: west" in post.said
    assert "west answered round 1 too late; the coordinator dropped its reply" in post.said
    needed = math.ceil(late.seconds)
    advice = (
        f"west needs {needed} s, the deadline is 1 s; set federation.deadline_s to at least "
        f"{math.ceil(1.5 * needed)}"
    )
    assert advice in post.said
    assert advice in write_report(study).read_text()


def test_fedbuff_counts_the_late_update_of_a_site_that_needs_five_times_the_deadline(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    post = SlowPost(SECONDS, until=says("round 3 of"))
    federation = {
        "strategy": "fedbuff", "options": {"fedbuff_size": 2, "fedbuff_staleness": 1000},
        "rounds": 1000, "deadline_s": 1,
    }  # fmt: skip
    plan = make_plan(federation=federation, evaluation=NO_SCORES)

    study = post.run(tmp_path / "study", plan, stop=says("west answered"))

    last = study.log.read(RoundMade)[-1]
    assert last.round > 3
    assert last.sites["west"].facts["for_round"] == 1
    assert [task.round for task in post.tasks["west"]] == [1]
    assert not [line for line in post.said if "needs" in line]


def test_a_round_that_is_asked_again_takes_the_reply_of_who_was_at_work_on_it(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    post = SlowPost(SECONDS, until=says("round 1: 2 of 3 sites gave a valid reply"))
    federation = {"rounds": 1, "min_sites": "all", "deadline_s": 1, "empty_rounds": 20}
    plan = make_plan(federation=federation, evaluation=NO_SCORES)

    study = post.run(tmp_path / "study", plan)

    (made,) = study.log.read(RoundMade)
    assert [*made.sites] == [*SECONDS]
    assert study.log.read(RoundWithoutQuorum)
    assert not study.log.read(LateReply)
    assert [task.round for task in post.tasks["west"]] == [1]


@pytest.mark.parametrize("strategy", ["fedavg", "fedbuff"])
def test_a_pause_for_want_of_a_slow_site_says_what_the_deadline_should_be(
    strategy: str, make_plan: MakePlan, tmp_path: Path
) -> None:
    options = {"fedbuff_size": 3} if strategy == "fedbuff" else {}
    federation = {
        "rounds": 1, "deadline_s": 1, "empty_rounds": 2, "strategy": strategy, "options": options,
    }  # fmt: skip
    plan = make_plan(federation=federation, evaluation=NO_SCORES)

    with pytest.raises(PausedError, match=r"west needs more than \d+ s.* to at least \d+"):
        SlowPost(SECONDS, until=says("never")).run(tmp_path / "study", plan)
